//! What a crash of control leaves is finished when it is back.

use tenantsdb_codecs::feed::id::Engine;

use super::*;
use crate::app::{password, pending, recover};
use crate::store::{blueprints, logins, servers};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_that_the_server_was_not_told_are_told() {
    let server = Server::start().await;
    let control = with_server(&server).await;
    workspace(&control, "c").await;
    let acme = tenant(&control, "acme", "c").await;
    let context = &control.context;
    let engine = Engine::MongoDb;
    let fresh = |database: &str| {
        let new = password::new(engine, None).unwrap();
        pending::at_first(context, engine, database, new).unwrap()
    };
    let (begun, rotated) = (fresh("c2_dev"), fresh("c__acme"));
    let mut write = context.store.write().await.unwrap();
    let row = servers::fetch(&mut write, "db").await.unwrap().unwrap();
    // A workspace whose rows were committed, and nothing more; a rotation that was only noted.
    blueprints::insert(&mut write, "c2", engine, &row.id)
        .await
        .unwrap();
    let verifier = &begun.verifier;
    logins::insert(&mut write, engine, "c2_dev", verifier)
        .await
        .unwrap();
    let verifier = &rotated.verifier;
    logins::rotate(&mut write, engine, "c__acme", verifier)
        .await
        .unwrap();
    write.commit().await.unwrap();
    assert!(!begun.verifier.contains(begun.password.expose()));

    recover::pass(context).await.unwrap();
    for (database, new) in [("c2_dev", &begun), ("c__acme", &rotated)] {
        let login = server.login(database, new.password.expose());
        login.run_command(doc! {"ping": 1}).await.unwrap();
        let routed = route(&control, database).await.unwrap();
        let verifier = routed["logins"][0]["verifier"].as_str().unwrap();
        assert!(verifier.starts_with("SCRAM-SHA-256$"), "{verifier}");
    }
    assert!(!is_let_in(&server, &acme["connection_string"]).await);
    let mut read = context.store.read().await.unwrap();
    assert!(logins::unapplied(&mut read).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_whose_marker_was_written_needs_attention() {
    let server = Server::start().await;
    let control = with_server(&server).await;
    workspace(&control, "m").await;
    tenant(&control, "acme", "m").await;
    let past = doc! {"create": "users"};
    server.admin("m_dev").run_command(past).await.unwrap();
    let marker = server.admin("m__acme").collection("_tenantsdb");
    let row = doc! {"_id": "x", "ordinal": 9, "step": 0, "state": "done", "digest": ""};
    marker.insert_one(row).await.unwrap();
    let body = json!({"blueprint": "m", "all": true});
    let made = expect(control.post("/v1/deployments", body).await, 202).await;
    let path = format!("/v1/deployments/{}", made["id"].as_str().unwrap());
    let mut ended = Value::Null;
    until("the deployment ends", async || {
        ended = get(&control, &path).await;
        ended["finished_at"].is_string()
    })
    .await;
    assert_eq!(ended["results"][0]["status"], "needs_attention", "{ended}");
    let left = server
        .admin("m__acme")
        .list_collection_names()
        .await
        .unwrap();
    assert_eq!(left, ["_tenantsdb"]);
}
