use proptest::prelude::*;

use super::super::frame::{START_BYTES_MAX, Walk};
use super::super::recording::{Recording, Side, recorded};
use super::super::server::PrepareOk;
use super::*;

const EOF_PACKETS: Capabilities = Capabilities::PROTOCOL_41;
const OK_PACKETS: Capabilities = EOF_PACKETS.union(Capabilities::DEPRECATE_EOF);

const QUERY: &[u8] = b"\x03SELECT 1";
const PING: &[u8] = b"\x0e";
const OK_BODY: &[u8] = b"\0\0\0\x02\0\0\0";
const EOF_BODY: &[u8] = b"\xfe\0\0\x02\0";
const ERR_BODY: &[u8] = b"\xff\x28\x04#42000You have an error";
const COLUMN: &[u8] = b"\x03def\0\0\0\x011\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0";

fn name(outcome: Outcome) -> String {
    match outcome {
        Outcome::Ok { .. } => "ok".to_owned(),
        Outcome::Rows { .. } => "rows".to_owned(),
        Outcome::Prepared { .. } => "prepared".to_owned(),
        Outcome::Err { code } => code.to_string(),
    }
}

/// Follows packets; answers what came of them, with `+` behind what is not the last.
fn follow(packets: &[(Side, Vec<u8>)], pipeline: &mut Pipeline, chunk_bytes: usize) -> String {
    let (mut client, mut server) = (Walk::new(), Walk::new());
    let mut events = Vec::new();
    for (side, bytes) in packets {
        for mut chunk in bytes.chunks(chunk_bytes) {
            while !chunk.is_empty() {
                let walk = match side {
                    Side::Client => &mut client,
                    Side::Server => &mut server,
                };
                let (taken, start) = walk.step(chunk).unwrap();
                chunk = &chunk[taken..];
                let Some(start) = start else {
                    continue;
                };
                match side {
                    Side::Client if pipeline.expects_file() => {
                        pipeline.file_data(start.packet_bytes);
                    }
                    Side::Client => pipeline.command(start.body).unwrap(),
                    Side::Server => match pipeline.reply(start.body, start.packet_bytes).unwrap() {
                        Event::Part => {}
                        Event::FileRequest => events.push("file".to_owned()),
                        Event::Result { outcome, last } => {
                            events.push(name(outcome) + if last { "" } else { "+" });
                        }
                    },
                }
            }
        }
    }
    assert!(client.at_boundary() && server.at_boundary());
    events.join(" ")
}

/// The recordings of both servers, with EOF packets and with OK packets in their place.
macro_rules! all {
    ($name:literal) => {
        [
            ("MariaDB, EOF", recorded!($name, "-eof-mariadb")),
            ("MariaDB, OK", recorded!($name, "-ok-mariadb")),
            ("MySQL, EOF", recorded!($name, "-eof-mysql")),
            ("MySQL, OK", recorded!($name, "-ok-mysql")),
        ]
    };
}

fn check(recordings: &[(&str, &str)], expected: &str) -> Vec<Pipeline> {
    let mut pipelines = Vec::new();
    for (server, text) in recordings {
        let recording = Recording::read(text);
        for chunk_bytes in [usize::MAX, 1, 7] {
            let mut pipeline = Pipeline::new(recording.capabilities);
            let found = follow(&recording.packets, &mut pipeline, chunk_bytes);
            assert_eq!(found, expected, "{server}");
            assert_eq!(pipeline.owed(), 0, "{server}");
            pipelines.push(pipeline);
        }
    }
    pipelines
}

#[test]
fn result_sets_are_walked() {
    for pipeline in check(&all!("resultset-text"), "rows rows ok 1054 ok") {
        assert!(pipeline.is_idle());
    }
}

#[test]
fn a_query_may_have_several_results() {
    // OK, rows, an error in the fourth; rows; two result sets of a procedure and its own OK.
    let expected = "rows+ ok+ rows+ 1064 rows+ rows rows+ rows+ ok ok+ rows ok";
    for pipeline in check(&all!("multi-result"), expected) {
        assert!(pipeline.is_idle());
    }
}

#[test]
fn prepared_statements_are_walked() {
    // OUT parameters come as rows before the OK of a CALL. MySQL's EOF behind them does not say
    // that the OK follows.
    let expected = "prepared rows ok prepared ok prepared ok 1064 1243 \
                    prepared rows+ rows+ rows+ ok ok";
    for pipeline in check(&all!("prepare-and-execute"), expected) {
        assert!(pipeline.is_idle());
    }
}

#[test]
fn cursors_are_fetched_from() {
    let expected = "prepared rows rows rows 1421 rows ok 1421 ok";
    for pipeline in check(&all!("cursor"), expected) {
        assert!(pipeline.is_idle());
    }
}

#[test]
fn other_commands_have_replies_of_their_own() {
    let [mariadb @ .., _, _] = all!("commands");
    let expected = "rows ok ok 1044 ok rows 1094 ok 1227 ok";
    for pipeline in check(&mariadb, expected) {
        assert!(pipeline.is_unclear(), "an option was set");
    }
    let [_, _, mysql @ ..] = all!("commands");
    check(&mysql, "rows ok ok 1044 ok 1047 1047 ok 1227 ok");
}

#[test]
fn files_are_sent_until_an_empty_message() {
    for pipeline in check(&all!("local-infile"), "file ok 1146 file ok ok") {
        assert!(pipeline.is_idle());
    }
}

#[test]
fn commands_may_be_sent_ahead() {
    let expected = "rows rows prepared ok ok 1054 ok";
    for pipeline in check(&all!("pipelined"), expected) {
        assert!(pipeline.is_idle());
    }
}

#[test]
fn extensions_are_walked() {
    let mysql = [(
        "attributes, session state",
        recorded!("query-attributes-mysql"),
    )];
    check(&mysql, "rows rows ok ok ok rows ok");
    let bulk = [("bulk execution", recorded!("bulk-execute-mariadb"))];
    check(&bulk, "prepared ok prepared rows prepared rows ok");
    let progress = [("progress reports", recorded!("progress-report-mariadb"))];
    check(&progress, "ok rows ok");
}

#[test]
fn a_session_behind_its_login_is_walked() {
    for (text, login_packets, expected) in [
        (recorded!("login-pymysql-mariadb"), 3, "ok ok rows"),
        (recorded!("login-pymysql-mysql-fast"), 4, "ok ok rows"),
        (recorded!("login-pymysql-mysql-full"), 7, "ok ok rows"),
        (
            recorded!("login-connector-python-mysql"),
            4,
            "ok ok ok rows",
        ),
    ] {
        let recording = Recording::read(text);
        let mut pipeline = Pipeline::new(EOF_PACKETS);
        let packets = &recording.packets[login_packets..];
        assert_eq!(follow(packets, &mut pipeline, usize::MAX), expected);
        // COM_QUIT was sent.
        assert!(pipeline.is_unclear() && pipeline.owed() == 0);
    }
}

#[test]
fn prepared_statements_are_told_by_id() {
    let recording = Recording::read(recorded!("prepare-and-execute-eof-mysql"));
    let mut pipeline = Pipeline::new(recording.capabilities);
    pipeline.command(&recording.client(0)).unwrap();
    let mut ids = Vec::new();
    for packet in 1..7 {
        let body = recording.server(packet);
        let bytes = u32::try_from(body.len()).unwrap();
        if let Event::Result { outcome, .. } = pipeline.reply(&body, bytes).unwrap() {
            ids.push(outcome);
        }
    }
    let id = PrepareOk::decode(&recording.server(1)).unwrap().id;
    assert_eq!(ids, [Outcome::Prepared { id }]);
    assert!(pipeline.is_idle());
}

// MySQL answers these with error 1835, as `19` alone sent to 9.7 shows.
#[test]
fn behind_a_command_that_has_no_answer_and_is_cut_short_nothing_is_clear() {
    for cut in [&b"\x19"[..], b"\x19\x01\0\0", b"\x18\x01\0\0\0\0"] {
        let mut pipeline = Pipeline::new(OK_PACKETS);
        pipeline.command(cut).unwrap();
        assert!(pipeline.is_unclear() && pipeline.is_lost(), "{cut:?}");
    }
    for whole in [&b"\x19\x01\0\0\0"[..], b"\x18\x01\0\0\0\0\0"] {
        let mut pipeline = Pipeline::new(OK_PACKETS);
        pipeline.command(whole).unwrap();
        assert!(pipeline.is_idle(), "{whole:?}");
    }
}

#[test]
fn a_preparation_that_is_answered_by_an_empty_ok_prepares_nothing() {
    // MySQL 9.7: SET GLOBAL max_connections = 1, without the privilege.
    let prepare: &[u8] = b"\x16SET GLOBAL max_connections = 1";
    let (pipeline, outcomes) = exchange(OK_PACKETS, &[prepare, PING], &[&[0; 7], OK_BODY]);
    assert_eq!(outcomes.unwrap(), "ok ok");
    assert!(pipeline.is_idle());
}

/// A pipeline that was sent these, and the outcomes of what was answered.
fn exchange(
    capabilities: Capabilities,
    commands: &[&[u8]],
    replies: &[&[u8]],
) -> (Pipeline, Result<String, Error>) {
    let mut pipeline = Pipeline::new(capabilities);
    for command in commands {
        pipeline.command(command).unwrap();
    }
    let mut outcomes = Vec::new();
    for body in replies {
        let bytes = u32::try_from(body.len()).unwrap();
        match pipeline.reply(&body[..body.len().min(START_BYTES_MAX)], bytes) {
            Ok(Event::Result { outcome, .. }) => outcomes.push(name(outcome)),
            Ok(_) => {}
            Err(error) => return (pipeline, Err(error)),
        }
    }
    (pipeline, Ok(outcomes.join(" ")))
}

#[test]
fn a_new_pipeline_is_idle() {
    let pipeline = Pipeline::new(EOF_PACKETS);
    assert!(pipeline.is_idle() && !pipeline.may_be_at_work());
    assert_eq!(
        (pipeline.owed(), pipeline.status()),
        (0, Status::AUTOCOMMIT)
    );
}

// A row whose first value has 16 MB or more begins like what ends rows.
#[test]
fn a_row_that_begins_like_an_end_is_a_row() {
    for capabilities in [EOF_PACKETS, OK_PACKETS] {
        let mut pipeline = Pipeline::new(capabilities);
        pipeline.command(QUERY).unwrap();
        let end = match capabilities {
            OK_PACKETS => b"\xfe\0\0\x02\0\0\0",
            _ => EOF_BODY,
        };
        let bytes = |body: &[u8]| u32::try_from(body.len()).unwrap();
        pipeline.reply(b"\x01", 1).unwrap();
        pipeline.reply(COLUMN, bytes(COLUMN)).unwrap();
        if capabilities == EOF_PACKETS {
            pipeline.reply(EOF_BODY, 5).unwrap();
        }
        let row = b"\xfe\0\0\0\x01\0\0\0\0xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        assert_eq!(pipeline.reply(row, 0xff_ffff), Ok(Event::Part));
        assert_eq!(pipeline.reply(b"", 0), Ok(Event::Part), "an empty row");
        assert!(!pipeline.is_idle());
        let last = pipeline.reply(end, bytes(end)).unwrap();
        assert!(matches!(last, Event::Result { last: true, .. }));
        assert!(pipeline.is_idle());
    }
}

#[test]
fn an_error_ends_a_reply_wherever_it_comes() {
    let replies: [&[&[u8]]; 5] = [
        &[],
        &[b"\x02"],
        &[b"\x02", COLUMN],
        &[b"\x01", COLUMN],
        &[b"\x01", COLUMN, EOF_BODY, b"\x011"],
    ];
    for front in replies {
        let replies = [front, &[ERR_BODY, OK_BODY]].concat();
        let (pipeline, outcomes) = exchange(EOF_PACKETS, &[QUERY, PING], &replies);
        assert_eq!(outcomes.unwrap(), "1064 ok");
        assert!(pipeline.is_idle());
    }
    let prepared: &[u8] = b"\0\x01\0\0\0\x01\0\x01\0\0\0\0";
    let prepare: &[u8] = b"\x16SELECT ?";
    for front in [
        &[prepared][..],
        &[prepared, COLUMN],
        &[prepared, COLUMN, EOF_BODY],
    ] {
        let replies = [front, &[ERR_BODY]].concat();
        let (pipeline, outcomes) = exchange(EOF_PACKETS, &[prepare], &replies);
        assert_eq!((outcomes.unwrap(), pipeline.owed()), ("1064".to_owned(), 0));
    }
}

// An error says nothing of a transaction, and a procedure may have begun one.
#[test]
fn behind_an_error_the_connection_is_not_idle() {
    let (mut pipeline, _) = exchange(EOF_PACKETS, &[QUERY], &[ERR_BODY]);
    assert!(!pipeline.is_idle() && !pipeline.may_be_at_work());
    pipeline.command(PING).unwrap();
    pipeline.reply(OK_BODY, 7).unwrap();
    assert!(pipeline.is_idle());
}

#[test]
fn a_transaction_is_not_idle() {
    let open: &[u8] = b"\0\0\0\x03\0\0\0";
    let (pipeline, _) = exchange(EOF_PACKETS, &[QUERY], &[open]);
    assert!(!pipeline.is_idle() && !pipeline.may_be_at_work());
    assert!(pipeline.status().contains(Status::IN_TRANS));
}

#[test]
fn a_reply_to_nothing_is_never_trusted() {
    let (pipeline, error) = exchange(EOF_PACKETS, &[PING], &[OK_BODY, OK_BODY]);
    assert_eq!(error, Err(Error::Invalid("reply to no command")));
    assert!(pipeline.is_unclear() && !pipeline.is_idle());
    // The server is about to close: the client should see why.
    let killed: &[u8] = b"\xff\x87\x07#70100Connection was killed";
    let (pipeline, outcomes) = exchange(EOF_PACKETS, &[], &[killed]);
    assert_eq!(outcomes.unwrap(), "1927");
    assert!(pipeline.is_unclear() && pipeline.owed() == 0);
}

#[test]
fn commands_without_reply_owe_nothing() {
    let (pipeline, _) = exchange(
        EOF_PACKETS,
        &[b"\x19\x01\0\0\0", b"\x18\x01\0\0\0\0\0x"],
        &[],
    );
    assert!(pipeline.is_idle());
}

#[test]
fn what_is_not_followed_makes_it_unclear_for_good() {
    // QUIT, CHANGE_USER, BINLOG_DUMP, TABLE_DUMP, REGISTER_SLAVE, SLEEP, unknown ones
    for command in [0x01, 0x11, 0x12, 0x13, 0x15, 0x1e, 0x00, 0x20, 0xff] {
        let commands: [&[u8]; 3] = [PING, &[command], QUERY];
        let (mut pipeline, outcomes) = exchange(EOF_PACKETS, &commands, &[OK_BODY, b"\xfex"]);
        assert_eq!(outcomes.unwrap(), "", "not followed");
        assert!(pipeline.is_unclear() && pipeline.may_be_at_work() && !pipeline.is_idle());
        assert!(!pipeline.expects_file());
        pipeline.reply(OK_BODY, 7).unwrap();
        assert!(!pipeline.is_idle());
    }
    let (mut pipeline, _) = exchange(EOF_PACKETS, &[PING], &[OK_BODY]);
    pipeline.give_up();
    assert!(pipeline.is_unclear() && !pipeline.is_idle());
}

#[test]
fn an_option_that_a_reset_keeps_makes_it_unclear() {
    let commands: [&[u8]; 2] = [b"\x1b\x01\0", PING];
    let (pipeline, outcomes) = exchange(EOF_PACKETS, &commands, &[EOF_BODY, OK_BODY]);
    assert_eq!(outcomes.unwrap(), "ok ok", "followed all the same");
    assert!(pipeline.is_unclear() && pipeline.owed() == 0);
}

// The server takes for file data what the client meant as its next command.
#[test]
fn a_command_before_the_file_request_was_read_makes_it_unclear() {
    let request: &[u8] = b"\xfbnames.csv";
    let (pipeline, _) = exchange(EOF_PACKETS, &[QUERY, PING], &[request]);
    assert!(pipeline.is_unclear() && !pipeline.expects_file());

    let (mut pipeline, _) = exchange(EOF_PACKETS, &[QUERY], &[request]);
    assert!(pipeline.expects_file() && pipeline.may_be_at_work());
    assert!(pipeline.command(PING).is_err());
    assert!(pipeline.is_unclear());

    let (mut pipeline, _) = exchange(EOF_PACKETS, &[QUERY], &[]);
    pipeline.file_data(5);
    assert!(pipeline.is_unclear(), "data that nobody asked for");
}

#[test]
fn an_answer_before_the_end_of_a_file_makes_it_unclear() {
    let request: &[u8] = b"\xfbnames.csv";
    let (pipeline, outcomes) = exchange(EOF_PACKETS, &[QUERY], &[request, ERR_BODY]);
    assert_eq!(outcomes.unwrap(), "1064");
    assert!(pipeline.is_unclear());
    let (pipeline, outcomes) = exchange(EOF_PACKETS, &[QUERY], &[request, OK_BODY]);
    assert_eq!(
        outcomes,
        Err(Error::Invalid("reply before the end of a file"))
    );
    assert!(pipeline.is_unclear());
}

#[test]
fn more_commands_than_are_kept_make_it_unclear() {
    let mut pipeline = Pipeline::new(EOF_PACKETS);
    for _ in 0..10_000 {
        pipeline.command(QUERY).unwrap();
    }
    assert!(pipeline.owed() == 10_000 && !pipeline.is_unclear());
    for _ in 0..40 {
        pipeline.command(PING).unwrap();
        pipeline.command(QUERY).unwrap();
    }
    assert!(pipeline.is_unclear());
    assert_eq!(pipeline.reply(OK_BODY, 7), Ok(Event::Part));
}

#[test]
fn replies_that_cannot_come_are_refused() {
    let prepare: &[u8] = b"\x16SELECT 1";
    for (command, replies) in [
        (QUERY, &[&b""[..]][..]),
        (QUERY, &[EOF_BODY]),
        (QUERY, &[b"\x02\x01"]),
        (QUERY, &[b"\0"]),
        (QUERY, &[b"\x01", EOF_BODY]),
        (QUERY, &[b"\x01", b""]),
        (QUERY, &[b"\x01", COLUMN, COLUMN]),
        (QUERY, &[b"\x01", COLUMN, EOF_BODY, b"\xfe\0\0\x02"]),
        (PING, &[b"\x01"]),
        (PING, &[b""]),
        (prepare, &[b"\0\x01\0\0\0"]),
        (prepare, &[EOF_BODY]),
        (prepare, &[b"\0\x01\0\0\0\0\0\x01\0\0\0\0", EOF_BODY]),
        (prepare, &[b"\0\x01\0\0\0\0\0\x01\0\0\0\0", COLUMN, COLUMN]),
    ] {
        let (pipeline, outcomes) = exchange(EOF_PACKETS, &[command], replies);
        assert!(outcomes.is_err(), "{command:?} {replies:?}");
        assert!(pipeline.is_unclear() && !pipeline.is_idle());
    }
    assert!(Pipeline::new(EOF_PACKETS).command(b"").is_err());
}

/// A command and a reply to it, both as bodies, with what comes of it.
fn spoken(deprecate_eof: bool) -> impl Strategy<Value = (Vec<u8>, Vec<Vec<u8>>, String)> {
    let end = move |status: u8| match deprecate_eof {
        true => vec![0xfe, 0, 0, status, 0, 0, 0],
        false => vec![0xfe, 0, 0, status, 0],
    };
    let set = move |columns: u8, rows: Vec<Vec<u8>>, status: u8| {
        let mut set = vec![vec![columns]];
        set.extend(vec![COLUMN.to_vec(); columns.into()]);
        if !deprecate_eof {
            set.push(end(2));
        }
        set.extend(rows);
        set.push(end(status));
        set
    };
    // A row does not begin with a byte that ends rows.
    let row = (0_u8..0xfe, proptest::collection::vec(any::<u8>(), 0..60));
    let row = row.prop_map(|(first, rest)| [&[first][..], &rest].concat());
    let rows = proptest::collection::vec(row, 0..5);
    let results = proptest::collection::vec(proptest::option::of((1_u8..5, rows)), 1..4);
    let query = results.prop_map(move |results| {
        let count = results.len();
        let (mut bodies, mut names) = (Vec::new(), Vec::new());
        for (place, result) in results.into_iter().enumerate() {
            let status = if place + 1 < count { 2 | 8 } else { 2 };
            match result {
                None => {
                    bodies.push(vec![0, 0, 0, status, 0, 0, 0]);
                    names.push("ok");
                }
                Some((columns, rows)) => {
                    bodies.extend(set(columns, rows, status));
                    names.push("rows");
                }
            }
        }
        (QUERY.to_vec(), bodies, names.join(" "))
    });
    let prepare = (0_u8..4, 0_u8..4).prop_map(move |(columns, params)| {
        let mut bodies = vec![vec![0, 1, 0, 0, 0, columns, 0, params, 0, 0, 0, 0]];
        for count in [params, columns] {
            bodies.extend(vec![COLUMN.to_vec(); count.into()]);
            if count > 0 && !deprecate_eof {
                bodies.push(end(2));
            }
        }
        (b"\x16SELECT ?".to_vec(), bodies, "prepared".to_owned())
    });
    let ping = Just((PING.to_vec(), vec![OK_BODY.to_vec()], "ok".to_owned()));
    let statistics = b"Uptime: 1".to_vec();
    let statistics = Just((vec![0x09], vec![statistics], "ok".to_owned()));
    let failed = Just((QUERY.to_vec(), vec![ERR_BODY.to_vec()], "1064".to_owned()));
    prop_oneof![query, prepare, ping, statistics, failed]
}

proptest! {
    #[test]
    fn every_reply_is_followed_to_its_end(
        (deprecate_eof, exchanges) in any::<bool>().prop_flat_map(|deprecate_eof| {
            let exchanges = proptest::collection::vec(spoken(deprecate_eof), 1..12);
            (Just(deprecate_eof), exchanges)
        }),
        ahead in 1_usize..12,
    ) {
        let mut pipeline = Pipeline::new(if deprecate_eof { OK_PACKETS } else { EOF_PACKETS });
        for group in exchanges.chunks(ahead) {
            for (command, _, _) in group {
                pipeline.command(command).unwrap();
            }
            for (place, (_, bodies, expected)) in group.iter().enumerate() {
                let mut found = Vec::new();
                for (at, body) in bodies.iter().enumerate() {
                    prop_assert!(!pipeline.is_idle());
                    prop_assert_eq!(pipeline.owed(), (group.len() - place) as u64);
                    let bytes = u32::try_from(body.len()).unwrap();
                    let start = &body[..body.len().min(START_BYTES_MAX)];
                    if let Event::Result { outcome, last } = pipeline.reply(start, bytes).unwrap() {
                        found.push(name(outcome));
                        prop_assert_eq!(last, at + 1 == bodies.len());
                    }
                }
                prop_assert_eq!(&found.join(" "), expected);
            }
            prop_assert_eq!(pipeline.owed(), 0);
        }
        prop_assert!(!pipeline.is_unclear());
        let failed = exchanges.last().is_some_and(|(_, _, outcome)| outcome == "1064");
        prop_assert!(!failed || !pipeline.is_idle());
    }

    #[test]
    fn no_messages_make_it_panic_or_idle_while_it_owes(
        capabilities in any::<u64>(),
        messages in proptest::collection::vec(
            (any::<bool>(), 0_u8..0x20, proptest::collection::vec(
                prop_oneof![Just(0), Just(0xfe), any::<u8>()], 0..20,
            )),
            0..40,
        ),
    ) {
        let mut pipeline = Pipeline::new(Capabilities(capabilities));
        for (of_client, first, body) in messages {
            let bytes = u32::try_from(body.len()).unwrap();
            if !of_client {
                let _ = pipeline.reply(&body, bytes);
            } else if pipeline.expects_file() {
                pipeline.file_data(bytes);
            } else {
                let _ = pipeline.command(&[&[first], &body[..]].concat());
            }
            prop_assert!(!pipeline.is_idle() || pipeline.owed() == 0);
            prop_assert!(!pipeline.is_idle() || !pipeline.is_unclear());
        }
    }
}
