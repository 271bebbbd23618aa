use tenantsdb_codecs::feed::capture::CapturedStatement;
use time::OffsetDateTime;

use super::*;
use crate::blueprint::{Origin, Statement};
use crate::store::tests::{blueprint, empty, server};

fn statement(ddl: &str) -> Statement {
    Statement {
        ddl: ddl.to_owned(),
        tag: "CREATE TABLE".to_owned(),
        search_path: "public".to_owned(),
        deploy: true,
        origin: Origin::Wire,
        captured_at: OffsetDateTime::UNIX_EPOCH,
        user: "a_dev".to_owned(),
        application_name: "psql".to_owned(),
        context: None,
        probe: None,
    }
}

fn set(xid: &str, statements: &[&str]) -> ChangeSet {
    ChangeSet {
        xid: xid.to_owned(),
        ledger_ids: vec![1],
        statements: statements.iter().map(|ddl| statement(ddl)).collect(),
    }
}

fn sent(id: &str) -> Capture {
    Capture {
        id: id.to_owned(),
        database: "a_dev".to_owned(),
        pid: 7,
        user: "a_dev".to_owned(),
        application_name: String::new(),
        statements: vec![CapturedStatement {
            text: "CREATE TABLE t ()".to_owned(),
            tag: "CREATE TABLE".to_owned(),
            ..CapturedStatement::default()
        }],
        context: None,
    }
}

#[tokio::test]
async fn a_transaction_makes_one_version_however_often_it_is_read() {
    let (_dir, store) = empty().await;
    server(&store, "s", None).await;
    blueprint(&store, "s").await;
    let sets = [
        set("10", &["CREATE TABLE t ()", "CREATE TABLE u ()"]),
        set("9", &["X"]),
    ];
    for _ in 0..2 {
        // The second time is what happens after a crash before the ledger was marked.
        let mut write = store.write().await.unwrap();
        assert_eq!(record(&mut write, "a", &sets, &[]).await.unwrap(), 2);
        write.commit().await.unwrap();
    }
    let mut read = store.read().await.unwrap();
    let versions = versions::list(&mut read, "a", (None, 2), 10).await.unwrap();
    let texts: Vec<Vec<&str>> = versions
        .iter()
        .map(|dated| {
            dated
                .version
                .statements
                .iter()
                .map(|s| s.ddl.as_str())
                .collect()
        })
        .collect();
    assert_eq!(
        texts,
        [
            vec![],
            vec!["CREATE TABLE t ()", "CREATE TABLE u ()"],
            vec!["X"]
        ]
    );
    let replayed = versions::up_to(&mut read, "a", 1).await.unwrap();
    assert_eq!(replayed.len(), 1);
    assert_eq!(replayed[0].statements[0], statement("CREATE TABLE t ()"));
}

#[tokio::test]
async fn a_transaction_with_nothing_for_the_blueprint_makes_no_version() {
    let (_dir, store) = empty().await;
    server(&store, "s", None).await;
    blueprint(&store, "s").await;
    let mut write = store.write().await.unwrap();
    assert_eq!(
        record(&mut write, "a", &[set("10", &[])], &[])
            .await
            .unwrap(),
        0
    );
    assert!(versions::is_sealed(&mut write, "a", "10").await.unwrap());
}

#[tokio::test]
async fn a_capture_is_taken_once_and_spent_once() {
    let (_dir, store) = empty().await;
    server(&store, "s", None).await;
    blueprint(&store, "s").await;
    let mut write = store.write().await.unwrap();
    captures::insert(&mut write, "a", &sent("s:1"))
        .await
        .unwrap();
    captures::insert(&mut write, "a", &sent("s:1"))
        .await
        .unwrap();
    let unspent = captures::unspent(&mut write, "a").await.unwrap();
    assert_eq!(unspent, [sent("s:1")]);
    record(&mut write, "a", &[], &unspent).await.unwrap();
    captures::insert(&mut write, "a", &sent("s:1"))
        .await
        .unwrap();
    assert!(captures::unspent(&mut write, "a").await.unwrap().is_empty());
}
