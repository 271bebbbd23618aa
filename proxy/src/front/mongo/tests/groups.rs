//! What an application leaves on the server, and when the server is told.

use super::session::{commands_of, scarce};
use super::*;
use crate::front::mongo::group::GRACE;

/// A find that leaves a cursor open, in a session.
fn opens_a_cursor(session: u8) -> Vec<u8> {
    let mut find = Writer::new();
    find.str("find", "users").i32("batchSize", 1);
    in_session(find, session)
}

fn in_session(mut command: Writer, session: u8) -> Vec<u8> {
    command
        .document("lsid", |lsid| _ = lsid.binary("id", 4, &[session; 16]))
        .str("$db", DATABASE);
    command.finish()
}

fn begins_a_transaction(session: u8) -> Vec<u8> {
    let mut insert = Writer::new();
    insert
        .str("insert", "users")
        .i64("txnNumber", 7)
        .bool("startTransaction", true)
        .bool("autocommit", false);
    in_session(insert, session)
}

impl Stage {
    /// Waits until so many connections are left, of one application.
    async fn left(&self, members: usize) {
        let groups = &self.core.context.mongo_groups;
        fake::until(|| groups.members() == [members]).await;
    }

    /// Nobody is left, and nothing that could be told.
    async fn empty(&self) {
        let groups = &self.core.context.mongo_groups;
        fake::until(|| groups.members().is_empty()).await;
    }
}

/// As if the time that an application has to come again were over.
async fn grace() {
    // What was spawned has begun to wait.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::advance(GRACE + Duration::from_millis(1)).await;
    tokio::time::resume();
}

#[test]
fn what_the_last_connection_leaves_the_server_is_told_to_forget() {
    fake::run(async {
        let stage = scarce().await;
        let mut client = stage.logged_in().await;
        assert!(client.ask(&opens_a_cursor(1)).await.ok());
        assert!(client.ask(&begins_a_transaction(2)).await.ok());
        drop(client);
        stage.left(0).await;
        grace().await;
        stage.empty().await;
        fake::until(|| stage.server.heard().len() == 5).await;
        let heard = stage.server.heard();
        let told = ["killCursors", "abortTransaction", "endSessions"];
        assert_eq!(heard[2..], told);
        let (_, kill) = &stage.server.commands()[2];
        let kill = Document::whole(kill).unwrap();
        assert_eq!(kill.get("$db"), Ok(Some(Value::String(DATABASE))));
        let cursors = kill.get("cursors").unwrap().unwrap();
        let cursors: Vec<_> = cursors.as_array().unwrap().iter().collect();
        assert_eq!(cursors, [Ok(("0", Value::Int64(1)))]);
    });
}

#[test]
fn what_is_left_outlives_one_of_several_connections() {
    fake::run(async {
        let stage = scarce().await;
        let mut first = stage.logged_in().await;
        let second = stage.logged_in().await;
        assert!(first.ask(&opens_a_cursor(1)).await.ok());
        drop(first);
        stage.left(1).await;
        grace().await;
        assert_eq!(stage.server.heard(), ["find"]);
        // And is told by the last, whoever opened it.
        drop(second);
        stage.left(0).await;
        grace().await;
        fake::until(|| stage.server.heard().len() == 3).await;
        assert_eq!(stage.server.heard()[1..], ["killCursors", "endSessions"]);
    });
}

#[test]
fn an_application_that_comes_again_keeps_what_it_has_open() {
    fake::run(async {
        let stage = scarce().await;
        let mut first = stage.logged_in().await;
        assert!(first.ask(&opens_a_cursor(1)).await.ok());
        drop(first);
        stage.left(0).await;
        let again = stage.logged_in().await;
        grace().await;
        assert_eq!(stage.core.context.mongo_groups.members(), [1]);
        assert_eq!(stage.server.heard(), ["find"]);
        drop(again);
        stage.left(0).await;
        grace().await;
        stage.empty().await;
        fake::until(|| stage.server.heard().len() == 3).await;
        assert_eq!(commands_of(&stage, "killCursors").len(), 1);
    });
}

#[test]
fn what_an_application_closes_itself_is_not_told_again() {
    fake::run(async {
        let stage = scarce().await;
        let mut client = stage.logged_in().await;
        assert!(client.ask(&opens_a_cursor(1)).await.ok());
        let mut kill = Writer::new();
        kill.str("killCursors", "users")
            .array("cursors", |cursors| _ = cursors.i64(1))
            .str("$db", DATABASE);
        assert!(client.ask(&kill.finish()).await.ok());
        let mut end = Writer::new();
        end.array("endSessions", |sessions| {
            sessions.document(|lsid| _ = lsid.binary("id", 4, &[1; 16]));
        });
        assert!(client.ask(&of_admin(end)).await.ok());
        drop(client);
        // No wait: there is nothing to tell.
        stage.empty().await;
        assert_eq!(stage.server.heard().len(), 3);
    });
}

#[test]
fn who_left_nothing_is_forgotten_at_once() {
    fake::run(async {
        let stage = scarce().await;
        let clients = [stage.logged_in().await, stage.logged_in().await];
        stage.left(2).await;
        drop(clients);
        stage.empty().await;
        assert!(stage.server.heard().is_empty());
    });
}

#[test]
fn users_have_nothing_in_common() {
    fake::run(async {
        let stage = scarce().await;
        let mut route = route(stage.server_addr);
        route.logins.push(route.logins[0].clone());
        route.logins[1].user = "another".to_owned();
        fake::put(&stage.core.context, route);
        let mut first = stage.logged_in().await;
        assert!(first.ask(&opens_a_cursor(1)).await.ok());
        let mut other = stage.client().await;
        let (login, reply) = Login::start(&mut other, "another", true).await;
        assert!(login.prove(&mut other, &reply).await.ok());
        fake::until(|| stage.core.context.mongo_groups.members() == [1, 1]).await;
        // The other one's connection does not keep what is his.
        drop(first);
        fake::until(|| stage.core.context.mongo_groups.members().contains(&0)).await;
        grace().await;
        fake::until(|| commands_of(&stage, "endSessions").len() == 1).await;
        assert!(other.ask(&find()).await.ok());
    });
}

#[test]
fn a_proxy_that_goes_down_leaves_it_to_the_next() {
    fake::run(async {
        let stage = scarce().await;
        let mut client = stage.logged_in().await;
        assert!(client.ask(&opens_a_cursor(1)).await.ok());
        stage.core.context.drain.begin();
        assert!(client.next().await.is_none());
        drop(client);
        grace().await;
        stage.empty().await;
        assert_eq!(stage.server.heard(), ["find"]);
    });
}
