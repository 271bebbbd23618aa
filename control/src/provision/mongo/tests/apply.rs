//! Versions into tenants: each command once, also when the work is cut off; and nothing at all
//! where the marker cannot be believed.

use mongodb::bson::{Document, doc};

use super::server::{Blueprint, versions, with_found};
use crate::blueprint::mongo::normal::MARKER;
use crate::blueprint::{Probe, Version};
use crate::provision::Failure;
use crate::provision::marker::digest;

const TEXTS: &[&[&str]] = &[
    &[
        r#"{"create":"users"}"#,
        r#"{"createIndexes":"users","indexes":[{"key":{"a":1},"name":"a_1"}]}"#,
    ],
    &[
        r#"{"collMod":"users","validator":{"a":{"$exists":true}}}"#,
        r#"{"renameCollection":"x_dev.users","to":"x_dev.people"}"#,
        r#"{"dropIndexes":"people","index":"a_1"}"#,
        r#"{"create":"old"}"#,
        r#"{"drop":"old"}"#,
    ],
];

/// A blueprint of [`TEXTS`], with the templates of 1.0 and of its newest version.
async fn blueprint() -> (Blueprint, Vec<Version>) {
    let blueprint = Blueprint::new("x").await;
    blueprint.template(&[]).await.unwrap();
    let all = versions(TEXTS);
    let found = blueprint.template(&all).await.unwrap();
    (blueprint, with_found(all, &found))
}

async fn rows(blueprint: &Blueprint, tenant: &str) -> u64 {
    let marker = blueprint.admin(tenant).collection::<Document>(MARKER);
    marker.count_documents(doc! {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_is_cut_off_at_any_place_is_done_once() {
    let (blueprint, all) = blueprint().await;
    let made = blueprint.provisioner.template_snapshot("x", 2).await;
    let made = made.unwrap();
    for passed in 0.. {
        let tenant = format!("t{passed}");
        blueprint.tenant(&tenant, 0, false).await.unwrap();
        blueprint.mongo().cut().after(Some(passed));
        let ended = tokio::select! {
            applied = blueprint.apply(&tenant, &all, 0) => {
                blueprint.mongo().cut().after(None);
                assert_eq!(applied.unwrap().to, 2);
                true
            }
            () = blueprint.mongo().cut().reached() => false,
        };
        let applied = blueprint.apply(&tenant, &all, 0).await.unwrap();
        assert_eq!(applied.to, 2, "cut after {passed}");
        let name = blueprint.tenant_database(&tenant);
        let now = blueprint.provisioner.snapshot(&name).await.unwrap();
        assert_eq!(now, made, "cut after {passed}");
        if ended {
            assert!(passed > 20, "{passed} places were tried");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_is_cut_off_while_it_is_made_is_made_again() {
    let (blueprint, all) = blueprint().await;
    blueprint.template(&all).await.unwrap();
    for passed in 0.. {
        let tenant = format!("t{passed}");
        blueprint.mongo().cut().after(Some(passed));
        let ended = tokio::select! {
            made = blueprint.tenant(&tenant, 2, false) => {
                blueprint.mongo().cut().after(None);
                made.unwrap();
                true
            }
            () = blueprint.mongo().cut().reached() => false,
        };
        blueprint.tenant(&tenant, 2, false).await.unwrap();
        let applied = blueprint.apply(&tenant, &all, 2).await.unwrap();
        assert_eq!((applied.from, applied.to), (2, 2));
        if ended {
            return;
        }
    }
}

async fn attention(blueprint: &Blueprint, all: &[Version], known: u32) -> Failure {
    let before = blueprint.provisioner.snapshot("x__t").await.unwrap();
    let failure = blueprint.apply("t", all, known).await.unwrap_err();
    assert!(failure.needs_attention, "{failure:?}");
    let after = blueprint.provisioner.snapshot("x__t").await.unwrap();
    assert_eq!(before, after);
    failure
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_marker_that_control_cannot_believe_needs_attention() {
    let (blueprint, all) = blueprint().await;
    blueprint.tenant("t", 0, false).await.unwrap();
    let marker = blueprint.admin("t").collection::<Document>(MARKER);
    let mine = |ordinal: i64, step: i32, state: &str| {
        doc! {"_id": "x", "ordinal": ordinal, "step": step, "state": state, "digest": "0"}
    };
    for (row, says) in [
        (mine(5, 0, "done"), "1.5"),
        (mine(2, 0, "done"), "another 1.2"),
        (mine(2, 1, "intent"), "1.2, step 1"),
        (mine(1, 1, "rubbish"), "1.1, step 1"),
        (mine(1, 1, "intent"), "another statement"),
    ] {
        marker.insert_one(row).await.unwrap();
        let failure = attention(&blueprint, &all, 0).await;
        assert!(failure.message.contains(says), "{}", failure.message);
        marker.delete_one(doc! {"_id": "x"}).await.unwrap();
    }
    // Behind what control knows.
    attention(&blueprint, &all, 1).await;
    marker.drop().await.unwrap();
    let failure = attention(&blueprint, &all, 0).await;
    assert!(
        failure.message.contains("no collection"),
        "{}",
        failure.message
    );
    // A view in its place is not looked into.
    let view = doc! {"create": MARKER, "viewOn": "users", "pipeline": []};
    blueprint.admin("t").run_command(view).await.unwrap();
    attention(&blueprint, &all, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_already_counts_and_something_else_in_its_place_needs_attention() {
    let (blueprint, all) = blueprint().await;
    blueprint.tenant("t", 0, false).await.unwrap();
    let admin = blueprint.admin("t");
    // As an insert makes it.
    let users = admin.collection("users");
    users.insert_one(doc! {"a": 1}).await.unwrap();
    let index = |key: &str| {
        let index = doc! {"key": {key: 1}, "name": "a_1", "unique": true};
        doc! {"createIndexes": "users", "indexes": [index]}
    };
    admin.run_command(index("a")).await.unwrap();
    let failure = attention(&blueprint, &all, 0).await;
    assert!(failure.statement.unwrap().contains("createIndexes"));
    assert_eq!((failure.from, failure.to), (Some(0), Some(0)));
    let drop = doc! {"dropIndexes": "users", "index": "a_1"};
    admin.run_command(drop).await.unwrap();
    let applied = blueprint.apply("t", &all, 0).await.unwrap();
    assert_eq!(applied.to, 2);
    let people = admin.collection::<Document>("people");
    assert_eq!(people.count_documents(doc! {}).await.unwrap(), 1);
    assert!(rows(&blueprint, "t").await > 0);
}

/// The server lists none: whether the command took effect before the crash shows nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_index_that_was_begun_needs_attention_where_none_is_listed() {
    let (blueprint, _) = blueprint().await;
    blueprint.tenant("t", 0, false).await.unwrap();
    let text = concat!(
        r#"{"createSearchIndexes":"users","indexes":"#,
        r#"[{"name":"s","definition":{"mappings":{"dynamic":true}}}]}"#
    );
    let mut all = versions(&[&[text]]);
    all[0].statements[0].probe = Some(Probe::default());
    let begun = doc! {
        "_id": "x", "ordinal": 1_i64, "step": 1, "state": "intent", "digest": digest(text),
    };
    let marker = blueprint.admin("t").collection::<Document>(MARKER);
    marker.insert_one(begun).await.unwrap();
    let failure = attention(&blueprint, &all, 0).await;
    assert!(
        failure.message.contains("nothing is known"),
        "{}",
        failure.message
    );
}
