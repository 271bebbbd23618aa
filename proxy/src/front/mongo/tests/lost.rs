//! What becomes of a request whose server connection, or client, goes away.

use super::session::{in_transaction, insert, labels, scarce, with_comment};
use super::*;
use crate::fake::mongo::Mood;

fn get_more() -> Vec<u8> {
    let mut more = Writer::new();
    more.i64("getMore", 1)
        .str("collection", "users")
        .str("$db", DATABASE);
    more.finish()
}

#[test]
fn a_request_without_a_reply_gets_none_when_its_server_is_gone_either() {
    fake::run(async {
        let stage = scarce().await;
        let mut client = stage.logged_in().await;
        assert!(client.ask(&find()).await.ok());
        let silent = Flags {
            more_to_come: true,
            ..Flags::NONE
        };
        stage.server.be(Mood::HangUp);
        client.tell(silent, &insert(|_| {})).await;
        fake::until(|| stage.server.open() == 0).await;
        stage.server.be(Mood::Good);
        // What is written to a closed connection is refused from the second time on.
        for _ in 0..3 {
            client.tell(silent, &insert(|_| {})).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Whatever comes now is the answer to this.
        assert!(client.ask(&with_comment("mine")).await.ok());
    });
}

/// Specifications "Retryable Writes" and "Transactions".
#[test]
fn what_finds_no_server_connection_has_the_labels_of_a_lost_reply() {
    fake::run(async {
        let stage = scarce().await;
        let mut first = stage.logged_in().await;
        let mut second = stage.logged_in().await;
        assert!(first.ask(&in_transaction("insert", true)).await.ok());
        let answer = second.ask(&insert(|i| _ = i.i64("txnNumber", 1))).await;
        assert_eq!(answer.code(), 407);
        assert_eq!(labels(&answer), ["RetryableWriteError"]);
    });
}

#[test]
fn a_transaction_may_end_while_the_proxy_drains() {
    fake::run(async {
        let stage = scarce().await;
        let mut client = stage.logged_in().await;
        assert!(client.ask(&in_transaction("insert", true)).await.ok());
        stage.core.context.drain.begin();
        let commit = client
            .ask(&in_transaction("commitTransaction", false))
            .await;
        assert!(commit.ok());
        assert!(client.next().await.is_none(), "it is over with its work");
    });
}

/// Specifications "Retryable Writes", "Transactions" and "Change Streams".
#[test]
fn a_reply_that_is_lost_is_an_error_that_drivers_know_what_to_do_about() {
    fake::run(async {
        let retryable = insert(|insert| _ = insert.i64("txnNumber", 1));
        for (request, expected) in [
            (find(), &[][..]),
            (insert(|_| {}), &[]),
            (get_more(), &["ResumableChangeStreamError"]),
            (retryable, &["RetryableWriteError"]),
            (
                in_transaction("insert", true),
                &["TransientTransactionError"],
            ),
            (
                in_transaction("commitTransaction", false),
                &["RetryableWriteError", "UnknownTransactionCommitResult"],
            ),
            (
                in_transaction("abortTransaction", false),
                &["RetryableWriteError"],
            ),
        ] {
            let stage = scarce().await;
            let mut client = stage.logged_in().await;
            stage.server.be(Mood::HangUp);
            let answer = client.ask(&request).await;
            assert_eq!(answer.code(), 6);
            assert_eq!(labels(&answer), expected);
            // The session goes on, with another server connection.
            stage.server.be(Mood::Good);
            assert!(client.ask(&find()).await.ok());
            let connections: Vec<i32> = stage.server.commands().iter().map(|(id, _)| *id).collect();
            assert_eq!(connections.last(), Some(&2));
        }
    });
}

#[test]
fn a_client_that_leaves_takes_the_server_connection_with_it_that_owes_a_reply() {
    fake::run(async {
        let stage = scarce().await;
        let mut client = stage.logged_in().await;
        stage.server.be(Mood::Silent);
        client.tell(Flags::NONE, &find()).await;
        fake::until(|| stage.server.heard() == ["find"]).await;
        drop(client);
        fake::until(|| stage.server.open() == 0).await;
        stage.server.be(Mood::Good);
        let mut other = stage.logged_in().await;
        assert!(other.ask(&find()).await.ok());
    });
}

#[test]
fn a_client_that_leaves_between_two_requests_leaves_the_server_connection() {
    fake::run(async {
        let stage = scarce().await;
        for _ in 0..5 {
            let mut client = stage.logged_in().await;
            assert!(client.ask(&find()).await.ok());
        }
        assert!(stage.server.commands().iter().all(|(id, _)| *id == 1));
    });
}

#[test]
fn half_a_request_is_not_left_on_a_server_connection() {
    fake::run(async {
        let stage = scarce().await;
        let mut client = stage.logged_in().await;
        let mut whole = Vec::new();
        let document = {
            let mut document = Writer::new();
            document.str("text", &"x".repeat(100_000));
            document.finish()
        };
        let documents = [("documents", &[document][..])];
        op_msg::write_with(9, 0, Flags::NONE, &insert(|_| {}), &documents, &mut whole);
        client.send(&whole[..50_000]).await;
        fake::until(|| stage.server.open() == 1).await;
        drop(client);
        fake::until(|| stage.server.open() == 0).await;
        let mut other = stage.logged_in().await;
        assert!(other.ask(&find()).await.ok());
        assert_eq!(stage.server.heard(), ["find"]);
    });
}
