//! What a tenant's login reaches straight at the server: its database, and nothing else.

use mongodb::bson::doc;

use super::server::{Blueprint, PASSWORD, refused};
use crate::provision::Error;

/// Unauthorized.
const NO: i32 = 13;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_reaches_its_own_database_and_no_structure_of_it() {
    let blueprint = Blueprint::new("i").await;
    blueprint.workspace().await.unwrap();
    blueprint.template(&[]).await.unwrap();
    for tenant in ["a", "b"] {
        blueprint.tenant(tenant, 0, false).await.unwrap();
    }
    let own = blueprint.server.login("i__a", PASSWORD);
    let docs = own.collection("docs");
    docs.insert_one(doc! {"n": 1}).await.unwrap();
    docs.update_one(doc! {"n": 1}, doc! {"$set": {"n": 2}})
        .await
        .unwrap();
    docs.delete_one(doc! {"n": 2}).await.unwrap();
    own.list_collection_names().await.unwrap();
    for command in [
        doc! {"create": "x", "viewOn": "docs", "pipeline": []},
        doc! {"drop": "docs"},
        doc! {"createIndexes": "docs", "indexes": [{"key": {"a": 1}, "name": "a_1"}]},
        doc! {"dropIndexes": "docs", "index": "*"},
        doc! {"collMod": "docs", "validator": {}},
        doc! {"dropDatabase": 1},
        doc! {"createUser": "x", "pwd": "x", "roles": []},
        doc! {"updateUser": "i__a", "roles": ["dbOwner"]},
        doc! {"grantRolesToUser": "i__a", "roles": ["dbOwner"]},
        doc! {"createRole": "x", "privileges": [], "roles": []},
        doc! {"updateRole": "tenantsdb_tenant", "privileges": []},
        doc! {"usersInfo": 1},
    ] {
        assert_eq!(refused(&own, command).await, NO);
    }
    for other in ["i__b", "i_dev", "admin", "local", "config"] {
        let other = own.client().database(other);
        assert_eq!(refused(&other, doc! {"find": "docs"}).await, NO);
        let insert = doc! {"insert": "docs", "documents": [{"_id": 1}]};
        assert_eq!(refused(&other, insert).await, NO);
    }
    let admin = own.client().database("admin");
    let from = doc! {"renameCollection": "i__a.docs", "to": "i__b.docs"};
    for command in [from, doc! {"usersInfo": 1}] {
        assert_eq!(refused(&admin, command).await, NO);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_may_change_its_schema_reaches_no_other_either() {
    let blueprint = Blueprint::new("d").await;
    blueprint.template(&[]).await.unwrap();
    blueprint.tenant("a", 0, true).await.unwrap();
    blueprint.tenant("b", 0, false).await.unwrap();
    let own = blueprint.server.login("d__a", PASSWORD);
    own.run_command(doc! {"create": "x"}).await.unwrap();
    let index = doc! {"createIndexes": "x", "indexes": [{"key": {"a": 1}, "name": "a_1"}]};
    own.run_command(index).await.unwrap();
    own.run_command(doc! {"drop": "x"}).await.unwrap();
    let other = own.client().database("d__b");
    assert_eq!(refused(&other, doc! {"create": "x"}).await, NO);
    let user = doc! {"createUser": "x", "pwd": "x", "roles": []};
    assert_eq!(refused(&own, user).await, NO);
    // Taken back.
    blueprint.tenant("a", 0, false).await.unwrap();
    let own = blueprint.server.login("d__a", PASSWORD);
    let index = doc! {"createIndexes": "x", "indexes": [{"key": {"a": 1}, "name": "a_1"}]};
    assert_eq!(refused(&own, index).await, NO);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_made_is_left_alone() {
    let blueprint = Blueprint::new("o").await;
    blueprint.template(&[]).await.unwrap();
    let theirs = blueprint.server.admin("o__a");
    theirs.run_command(doc! {"create": "theirs"}).await.unwrap();
    let refused = blueprint.tenant("a", 0, false).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    let theirs = blueprint.server.admin("o__b");
    let user = doc! {"createUser": "o__b", "pwd": "x", "roles": [{"role": "root", "db": "admin"}]};
    theirs.run_command(user).await.unwrap();
    let refused = blueprint.tenant("b", 0, false).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
}
