use proptest::prelude::*;
use tenantsdb_codecs::mysql::client::{encode_command, encode_process_kill};
use tenantsdb_codecs::mysql::code::Code;
use tenantsdb_codecs::mysql::flags::Status;
use tenantsdb_codecs::mysql::report::Report;
use tenantsdb_codecs::mysql::server::{LocalInfile, Ok as OkPacket};

use super::*;
use crate::relay::gate::Traffic as _;

fn command(command: Command, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_command(command, payload, &mut out);
    out
}

fn query(text: &str) -> Vec<u8> {
    command(Command::QUERY, text.as_bytes())
}

fn ok(status: Status) -> Vec<u8> {
    let mut out = Vec::new();
    let ok = OkPacket {
        status,
        ..OkPacket::default()
    };
    ok.encode(&mut 1, &mut out);
    out
}

fn tenant() -> Traffic {
    Traffic::new(Capabilities::PROTOCOL_41, false)
}

/// What of the client's bytes goes on, and how it ends.
fn sent(traffic: &mut Traffic, bytes: &[u8]) -> (usize, Flow) {
    let look = traffic.client_sent(bytes).unwrap();
    (look.pass, look.flow)
}

#[test]
fn a_goodbye_is_not_forwarded() {
    let mut traffic = tenant();
    let bytes = [query("SELECT 1"), command(Command::QUIT, b"")].concat();
    assert_eq!(
        sent(&mut traffic, &bytes),
        (query("SELECT 1").len(), Flow::End)
    );
    assert!(!traffic.is_asked());
}

#[test]
fn what_is_the_proxys_business_is_held() {
    let mut kill = Vec::new();
    encode_process_kill(7, &mut kill);
    for held in [
        kill,
        query("KILL QUERY 7"),
        query("kill 7"),
        query("  KILL 7"),
        query("/* a */ KILL 7"),
        command(Command::CHANGE_USER, b"a\0"),
        query("SELECT 1")[..4].to_vec(),
        query("K")[..5].to_vec(),
    ] {
        let mut traffic = tenant();
        assert_eq!(sent(&mut traffic, &held), (0, Flow::Hold), "{held:?}");
        assert!(traffic.is_asked());
        traffic.answered();
        traffic.pass_next();
        assert_eq!(
            sent(&mut traffic, &held),
            (held.len(), Flow::On),
            "{held:?}"
        );
    }
    for passes in ["SELECT 1", "KILN", "insert into k values (1)"] {
        let passes = [query(passes), query(" x")].concat();
        let mut traffic = tenant();
        let (pass, flow) = sent(&mut traffic, &passes);
        assert_eq!((pass, flow), (passes.len() - query(" x").len(), Flow::Hold));
    }
}

#[test]
fn attributes_before_a_query_do_not_hide_it() {
    let capabilities = Capabilities::PROTOCOL_41.union(Capabilities::QUERY_ATTRIBUTES);
    for (payload, flow) in [
        (&b"\0\x01KILL 7"[..], Flow::Hold),
        (b"\0\x01SELECT 1", Flow::On),
        (b"\x01\x01\0\x01\x03\0\0\x01a\0KILL 7", Flow::Hold),
    ] {
        let mut traffic = Traffic::new(capabilities, false);
        let bytes = command(Command::QUERY, payload);
        assert_eq!(sent(&mut traffic, &bytes).1, flow, "{payload:?}");
    }
}

#[test]
fn a_workspaces_statements_are_for_the_front_and_of_executions_those_that_are_watched() {
    let mut traffic = Traffic::new(Capabilities::PROTOCOL_41, true);
    let execute = |id: u32| {
        let payload = [&id.to_le_bytes()[..], &[0, 1, 0, 0, 0]].concat();
        command(Command::STMT_EXECUTE, &payload)
    };
    assert_eq!(sent(&mut traffic, &query("SELECT 1")).1, Flow::Hold);
    traffic.answered();
    let prepare = command(Command::STMT_PREPARE, b"CREATE TABLE t (a int)");
    assert_eq!(sent(&mut traffic, &prepare).1, Flow::Hold);
    traffic.answered();
    assert_eq!(sent(&mut traffic, &execute(3)).1, Flow::On);
    traffic.watch(3);
    assert_eq!(sent(&mut traffic, &execute(3)).1, Flow::Hold);
    traffic.answered();
    assert_eq!(sent(&mut traffic, &execute(4)).1, Flow::On);
    assert_eq!(sent(&mut traffic, &execute(LAST_PREPARED)).1, Flow::Hold);
    traffic.answered();
    // Closed, it is forgotten.
    traffic.watch(5);
    let close = command(Command::STMT_CLOSE, &3_u32.to_le_bytes());
    assert_eq!(sent(&mut traffic, &close).1, Flow::On);
    assert!(!traffic.is_watched(3) && traffic.is_watched(5));
    sent(&mut traffic, &command(Command::RESET_CONNECTION, b""));
    assert!(!traffic.is_watched(5));
}

#[test]
fn an_error_explains_the_end_only_until_the_next_command() {
    let mut traffic = tenant();
    sent(&mut traffic, &query("SELECT nothing"));
    let mut error = Vec::new();
    let report = Report::new(Code::UNKNOWN, "Query execution was interrupted");
    report.encode(&mut 1, &mut error);
    traffic.server_sent(&error).unwrap();
    assert!(traffic.server_explained());
    sent(&mut traffic, &query("SELECT 1"));
    assert!(!traffic.server_explained());
}

// proxysql#833, #3387: a file of the proxy's, or of a client that offered none, must not go out.
#[test]
fn a_server_that_asks_for_a_file_that_was_not_offered_gets_nothing() {
    let mut request = Vec::new();
    LocalInfile {
        file: b"/etc/passwd",
    }
    .encode(&mut 1, &mut request);
    let mut traffic = tenant();
    sent(&mut traffic, &query("SELECT 1"));
    assert_eq!(traffic.server_sent(&request), Err(Error::FileRequest));

    let offers = Capabilities::PROTOCOL_41.union(Capabilities::LOCAL_FILES);
    let mut traffic = Traffic::new(offers, false);
    sent(&mut traffic, &query("LOAD DATA LOCAL …"));
    assert!(traffic.server_sent(&request).is_ok());
    // The client's file is no command, whatever is in it.
    let file = command(Command::QUIT, b"");
    let end = [0, 0, 0, 3];
    let bytes = [&file[..], &end].concat();
    assert_eq!(sent(&mut traffic, &bytes), (bytes.len(), Flow::On));
    assert!(!traffic.pipeline.expects_file());
}

#[test]
fn a_session_can_be_reset_in_a_transaction_and_is_not_drained_in_one() {
    let mut traffic = tenant();
    sent(&mut traffic, &query("BEGIN"));
    assert!(!traffic.is_settled() && traffic.may_be_at_work());
    traffic.server_sent(&ok(Status::IN_TRANS)).unwrap();
    assert!(traffic.is_settled() && !traffic.is_between_transactions());
    sent(&mut traffic, &query("COMMIT"));
    traffic.server_sent(&ok(Status::AUTOCOMMIT)).unwrap();
    assert!(traffic.is_settled() && traffic.is_between_transactions());
}

#[test]
fn half_a_packet_is_no_rest() {
    let mut traffic = tenant();
    sent(&mut traffic, &query("SELECT 1")[..7]);
    assert!(!traffic.is_settled());
    let mut traffic = tenant();
    sent(&mut traffic, &query("SELECT 1"));
    traffic.server_sent(&ok(Status::AUTOCOMMIT)[..6]).unwrap();
    assert!(!traffic.is_settled() && !traffic.server_at_boundary());
}

#[test]
fn who_is_logged_in_stays_known_behind_what_is_not() {
    let mut traffic = tenant();
    sent(&mut traffic, &command(Command::BINLOG_DUMP, b"0000"));
    assert!(traffic.may_be_at_work());
    // Held, it could wait for ever.
    assert_eq!(sent(&mut traffic, &query("KILL 7")).1, Flow::On);
    let change = command(Command::CHANGE_USER, b"a\0");
    assert_eq!(traffic.client_sent(&change), Err(Error::ChangeUser));
    assert_eq!(traffic.client_sent(&change[..4]), Err(Error::ChangeUser));
}

proptest! {
    #[test]
    fn where_a_stream_is_cut_makes_no_difference(
        cuts in prop::collection::vec(1..20_usize, 0..40),
    ) {
        let stream = [
            query("SELECT 1"),
            command(Command::PING, b""),
            query("INSERT INTO t VALUES (1)"),
            command(Command::STMT_CLOSE, &[1, 0, 0, 0]),
            command(Command::INIT_DB, b"app__acme"),
        ]
        .concat();
        let mut whole = tenant();
        prop_assert_eq!(sent(&mut whole, &stream), (stream.len(), Flow::On));
        let mut cut = tenant();
        let mut rest = &stream[..];
        let mut cuts = cuts.into_iter();
        while !rest.is_empty() {
            let bytes = cuts.next().unwrap_or(rest.len()).min(rest.len());
            let (chunk, behind) = rest.split_at(bytes);
            let (pass, flow) = sent(&mut cut, chunk);
            if flow == Flow::Hold {
                // Too little to tell: the front waits for the rest, and lets it pass.
                cut.answered();
                cut.pass_next();
                rest = &rest[pass..];
                let (passed, _) = sent(&mut cut, rest);
                rest = &rest[passed..];
            } else {
                rest = behind;
            }
        }
        prop_assert_eq!(cut.pipeline.owed(), whole.pipeline.owed());
        prop_assert!(cut.client.at_boundary());
    }
}
