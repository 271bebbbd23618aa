//! Behind the login: requests, replies, and what is between.

use super::*;
use crate::fake::mongo::Mood;
use tenantsdb_codecs::feed::route::{PoolMode, Topology};

/// A proxy that has one server connection. It is waited for long enough for a login on a busy
/// machine.
pub(super) async fn scarce() -> Stage {
    let short = |config: &mut Config| config.checkout_timeout = Duration::from_secs(2);
    Stage::with(short).await
}

/// The commands of this name that the server has heard.
pub(super) fn commands_of(stage: &Stage, name: &str) -> Vec<Vec<u8>> {
    let commands = stage.server.commands().into_iter();
    let commands = commands.map(|(_, command)| command);
    let is_it = |command: &Vec<u8>| {
        let (first, _) = Document::whole(command).unwrap().first().unwrap().unwrap();
        first == name
    };
    commands.filter(is_it).collect()
}

pub(super) fn with_comment(comment: &str) -> Vec<u8> {
    let mut find = Writer::new();
    find.str("find", "users")
        .str("comment", comment)
        .str("$db", DATABASE);
    find.finish()
}

/// A write, with what says how it is run.
pub(super) fn insert(how: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut insert = Writer::new();
    insert
        .str("insert", "users")
        .document("lsid", |lsid| _ = lsid.binary("id", 4, &[1; 16]));
    how(&mut insert);
    insert.str("$db", DATABASE);
    insert.finish()
}

pub(super) fn in_transaction(name: &str, starts: bool) -> Vec<u8> {
    let mut command = Writer::new();
    match name {
        "insert" => command.str(name, "users"),
        _ => command.i32(name, 1),
    };
    command
        .document("lsid", |lsid| _ = lsid.binary("id", 4, &[1; 16]))
        .i64("txnNumber", 1)
        .bool("autocommit", false);
    if starts {
        command.bool("startTransaction", true);
    }
    let database = if name == "insert" { DATABASE } else { "admin" };
    command.str("$db", database);
    command.finish()
}

pub(super) fn labels(answer: &Answer) -> Vec<&str> {
    let labels = answer
        .get("errorLabels")
        .and_then(|labels| labels.as_array());
    let labels = labels.into_iter().flat_map(|labels| labels.iter());
    labels
        .map(|label| label.unwrap().1.as_str().unwrap())
        .collect()
}

#[test]
fn clients_take_turns_on_one_server_connection() {
    fake::run(async {
        let stage = scarce().await;
        let mut clients = [
            stage.logged_in().await,
            stage.logged_in().await,
            stage.logged_in().await,
        ];
        for round in 0..5 {
            for (n, client) in clients.iter_mut().enumerate() {
                let comment = format!("{round} of {n}");
                let answer = client.ask(&with_comment(&comment)).await;
                assert_eq!(answer.get("comment"), Some(Value::String(&comment)));
            }
        }
        assert!(stage.server.commands().iter().all(|(id, _)| *id == 1));
        assert_eq!(stage.server.open(), 1);
    });
}

#[test]
fn requests_that_come_together_are_answered_in_their_order() {
    fake::run(async {
        let stage = scarce().await;
        let mut client = stage.logged_in().await;
        let mut both = Vec::new();
        for id in [100, 7, i32::MIN, -1] {
            op_msg::write(
                id,
                0,
                Flags::NONE,
                &with_comment(&id.to_string()),
                &mut both,
            );
        }
        client.send(&both).await;
        for id in [100, 7, i32::MIN, -1] {
            let answer = client.next().await.unwrap();
            assert_eq!(answer.header.response_to, id);
            let comment = id.to_string();
            assert_eq!(answer.get("comment"), Some(Value::String(&comment)));
        }
    });
}

#[test]
fn what_follows_a_request_without_a_reply_waits_until_the_server_has_done_it() {
    fake::run(async {
        let stage = scarce().await;
        let mut client = stage.logged_in().await;
        let silent = Flags {
            more_to_come: true,
            ..Flags::NONE
        };
        client.tell(silent, &insert(|_| {})).await;
        fake::until(|| stage.server.heard() == ["insert", "ping"]).await;
        let mut other = stage.logged_in().await;
        assert!(other.ask(&find()).await.ok());
        assert_eq!(stage.server.open(), 1);
    });
}

#[test]
fn a_transaction_has_its_server_connection_to_itself() {
    fake::run(async {
        let stage = scarce().await;
        let mut first = stage.logged_in().await;
        let mut second = stage.logged_in().await;
        assert!(first.ask(&in_transaction("insert", true)).await.ok());
        let answer = second.ask(&find()).await;
        assert_eq!(answer.code(), 407);
        assert!(first.ask(&in_transaction("insert", false)).await.ok());
        assert!(
            first
                .ask(&in_transaction("commitTransaction", false))
                .await
                .ok()
        );
        assert!(second.ask(&find()).await.ok());
        assert_eq!(stage.server.open(), 1);
    });
}

#[test]
fn a_cursor_keeps_its_server_connection_where_nothing_else_reaches_it() {
    fake::run(async {
        for (topology, alone) in [
            (Topology::Sharded, true),
            (Topology::ReplicaSet, false),
            (Topology::Standalone, false),
        ] {
            let stage = scarce().await;
            let mut route = route(stage.server_addr);
            route.server.mongo.as_mut().unwrap().topology = topology;
            fake::put(&stage.core.context, route);
            let mut first = stage.logged_in().await;
            let mut second = stage.logged_in().await;
            let mut open = Writer::new();
            open.str("find", "users")
                .i32("batchSize", 1)
                .str("$db", DATABASE);
            assert!(first.ask(&open.finish()).await.ok());
            let code = second.ask(&find()).await.code();
            assert_eq!(code == 407, alone, "{topology:?}: {code}");
        }
    });
}

#[test]
fn every_reply_of_an_exhaust_cursor_is_to_the_one_before_it() {
    fake::run(async {
        let stage = scarce().await;
        let mut client = stage.logged_in().await;
        let mut more = Writer::new();
        more.i64("getMore", 1)
            .str("collection", "users")
            .i32("exhausts", 4)
            .str("$db", DATABASE);
        let exhaust = Flags {
            exhaust_allowed: true,
            ..Flags::NONE
        };
        let mut answer = client.ask_with(exhaust, &more.finish()).await;
        for _ in 0..3 {
            assert_eq!(answer.flags, 2);
            let id = answer.header.request_id;
            answer = client.next().await.unwrap();
            assert_eq!(answer.header.response_to, id);
        }
        assert_eq!(answer.flags, 0);
        assert!(client.ask(&find()).await.ok());
    });
}

#[test]
fn a_session_that_finds_no_server_connection_goes_on() {
    fake::run(async {
        let stage = scarce().await;
        let mut first = stage.logged_in().await;
        let mut second = stage.logged_in().await;
        assert!(first.ask(&in_transaction("insert", true)).await.ok());
        // With and without a sequence behind the body, which is passed over.
        let mut whole = Vec::new();
        let documents = [("documents", &[Writer::new().finish()][..])];
        op_msg::write_with(9, 0, Flags::NONE, &insert(|_| {}), &documents, &mut whole);
        second.send(&whole).await;
        let answer = second.next().await.unwrap();
        assert_eq!((answer.code(), answer.header.response_to), (407, 9));
        assert!(second.ask(&simple("ping")).await.ok());
        drop(first);
        fake::until(|| stage.server.open() == 1).await;
        let until_free = async { while !second.ask(&find()).await.ok() {} };
        until_free.await;
    });
}

#[test]
fn a_login_whose_password_was_changed_is_out_with_its_next_request() {
    fake::run(async {
        let stage = scarce().await;
        let mut client = stage.logged_in().await;
        assert!(client.ask(&find()).await.ok());
        let mut route = route(stage.server_addr);
        route.allow_ddl = true;
        fake::put(&stage.core.context, route.clone());
        // Something else has changed.
        assert!(client.ask(&find()).await.ok());
        route.logins[0].generation += 1;
        fake::put(&stage.core.context, route);
        client.tell(Flags::NONE, &find()).await;
        let answer = client.last_answer().await;
        assert_eq!(answer.code(), 13);
        assert!(
            answer.text().contains("no longer valid"),
            "{}",
            answer.text()
        );
    });
}

#[test]
fn in_session_mode_a_client_keeps_its_server_connection() {
    fake::run(async {
        let stage = scarce().await;
        let mut route = route(stage.server_addr);
        route.pool_mode = PoolMode::Session;
        fake::put(&stage.core.context, route);
        let mut first = stage.logged_in().await;
        let mut second = stage.logged_in().await;
        assert!(first.ask(&find()).await.ok());
        assert_eq!(second.ask(&find()).await.code(), 407);
        assert!(first.ask(&find()).await.ok());
        drop(first);
        let until_free = async { while !second.ask(&find()).await.ok() {} };
        until_free.await;
    });
}

/// `never the servers' own names`, whoever is asked.
#[test]
fn an_explanation_does_not_say_who_explains() {
    fake::run(async {
        let stage = scarce().await;
        let mut client = stage.logged_in().await;
        let mut explain = Writer::new();
        explain
            .document("explain", |find| {
                find.str("find", "users")
                    .document("filter", |filter| _ = filter.str("host", "mine"));
            })
            .str("$db", DATABASE);
        let explain = explain.finish();
        let checked = Flags {
            checksum_present: true,
            ..Flags::NONE
        };
        for flags in [Flags::NONE, checked] {
            let answer = client.ask_with(flags, &explain).await;
            assert!(answer.ok());
            let info = answer.inner("serverInfo").unwrap();
            assert_eq!(info.get("host"), Ok(Some(Value::String("tenantsdb"))));
            assert_eq!(info.get("port"), Ok(Some(Value::Int32(27_017))));
            let asked = answer.inner("command").unwrap().get("filter").unwrap();
            let asked = asked.unwrap().as_document().unwrap();
            assert_eq!(asked.get("host"), Ok(Some(Value::String("mine"))));
        }
        // One that is lost is an error, and the session goes on.
        stage.server.be(Mood::HangUp);
        assert_eq!(client.ask(&explain).await.code(), 6);
        stage.server.be(Mood::Good);
        assert!(client.ask(&find()).await.ok());
    });
}

#[test]
fn a_client_that_leaves_before_an_explanation_takes_the_server_connection_with_it() {
    fake::run(async {
        let stage = scarce().await;
        let mut client = stage.logged_in().await;
        stage.server.be(Mood::Silent);
        let mut explain = Writer::new();
        explain.document("explain", |find| _ = find.str("find", "users"));
        explain.str("$db", DATABASE);
        client.tell(Flags::NONE, &explain.finish()).await;
        fake::until(|| stage.server.heard() == ["explain"]).await;
        drop(client);
        fake::until(|| stage.server.open() == 0).await;
    });
}

#[test]
fn a_stage_that_shows_the_servers_name_is_followed_by_one_that_hides_it() {
    fake::run(async {
        let stage = scarce().await;
        let mut client = stage.logged_in().await;
        let mut aggregate = Writer::new();
        aggregate.str("aggregate", "users");
        aggregate.array("pipeline", |pipeline| {
            pipeline.document(|stage| _ = stage.document("$collStats", |_| {}));
        });
        aggregate.document("cursor", |_| {}).str("$db", DATABASE);
        let aggregate = aggregate.finish();
        let checked = Flags {
            checksum_present: true,
            ..Flags::NONE
        };
        // With another request right behind it, which stays as it is.
        let mut both = Vec::new();
        op_msg::write(8, 0, checked, &aggregate, &mut both);
        op_msg::write(9, 0, Flags::NONE, &with_comment("behind"), &mut both);
        client.send(&both).await;
        for id in [8, 9] {
            let answer = client.next().await.unwrap();
            assert_eq!((answer.code(), answer.header.response_to), (0, id));
        }
        let heard = commands_of(&stage, "aggregate");
        let heard = Document::whole(&heard[0]).unwrap();
        let pipeline = heard.get("pipeline").unwrap().unwrap();
        let stages: Vec<_> = pipeline.as_array().unwrap().iter().collect();
        assert_eq!(stages.len(), 2);
        let hides = stages[1].unwrap().1.as_document().unwrap();
        assert_eq!(hides.first().unwrap().unwrap().0, "$set");
        // A wrong checksum is no less wrong for it.
        let mut wrong = Vec::new();
        op_msg::write(10, 0, checked, &aggregate, &mut wrong);
        *wrong.last_mut().unwrap() ^= 1;
        client.send(&wrong).await;
        assert_eq!(client.last_answer().await.code(), 288);
        assert_eq!(commands_of(&stage, "aggregate").len(), 1);
    });
}
