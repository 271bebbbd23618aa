//! What a crash leaves half done is finished.

use tenantsdb_codecs::feed::id::Engine;

use super::super::problem;
use super::dev::{Dev, expect, tenant, with_server};
use crate::app::{password, recover};
use crate::name::flavour;
use crate::provision::mysql_test_server::{Server, on_both};
use crate::store::blueprints::{self, Stage};
use crate::store::tenants::TenantStatus;
use crate::store::{databases, logins, servers, tenants};

on_both!(
    what_a_crash_left_half_done_is_finished,
    a_tenant_that_a_deployment_passed_by_is_brought_up_to_it,
);

async fn what_a_crash_left_half_done_is_finished(server: &'static Server) {
    let control = with_server(server).await;
    let context = &control.context;
    let store = &context.store;
    Dev::new(&control, server, "mcrash").await;
    for name in ["kept", "rotated", "dropped"] {
        tenant(&control, server, "mcrash", name).await;
    }
    let mut write = store.write().await.unwrap();
    let row = servers::fetch(&mut write, "db").await.unwrap().unwrap();
    let fresh = password::new(Engine::MySql, flavour(row.engine, &row.version)).unwrap();
    let engine = Engine::MySql;
    // A workspace and a tenant whose rows were committed, and nothing more.
    blueprints::insert(&mut write, "mcrash2", engine, &row.id)
        .await
        .unwrap();
    logins::insert(&mut write, engine, "mcrash2_dev", &fresh.verifier)
        .await
        .unwrap();
    let kept = databases::fetch(&mut write, "mcrash__kept").await.unwrap();
    let begun = databases::Database {
        name: "mcrash__begun".to_owned(),
        tenant: "begun".to_owned(),
        stage: Stage::Creating,
        ..kept.unwrap()
    };
    let row = tenants::fetch(&mut write, "kept").await.unwrap().unwrap();
    let row = tenants::Tenant {
        name: "begun".to_owned(),
        id: "ten_begun".to_owned(),
        status: TenantStatus::Creating,
        ..row
    };
    tenants::insert(&mut write, &row).await.unwrap();
    databases::insert(&mut write, &begun).await.unwrap();
    logins::insert(&mut write, engine, &begun.name, &fresh.verifier)
        .await
        .unwrap();
    // A rotation that the server has not heard of, and a deletion that was only noted.
    logins::rotate(&mut write, engine, "mcrash__rotated", &fresh.verifier)
        .await
        .unwrap();
    let deleting = TenantStatus::Deleting;
    tenants::status_set(&mut write, "dropped", deleting, "")
        .await
        .unwrap();
    write.commit().await.unwrap();

    recover::pass(context).await.unwrap();
    let text = fresh.password.expose();
    for database in ["mcrash2_dev", "mcrash__begun", "mcrash__rotated"] {
        server.login(database, text, database).await;
    }
    let begun = expect(control.get("/v1/tenants/begun").await, 200).await;
    assert_eq!(begun["status"], "active");
    problem(control.get("/v1/tenants/dropped").await, 404, "not_found").await;
    let mut read = store.read().await.unwrap();
    assert!(logins::unapplied(&mut read).await.unwrap().is_empty());
}

async fn a_tenant_that_a_deployment_passed_by_is_brought_up_to_it(server: &'static Server) {
    let control = with_server(server).await;
    let store = &control.context.store;
    let mut dev = Dev::new(&control, server, "mlate").await;
    tenant(&control, server, "mlate", "first").await;
    dev.run("CREATE TABLE t (id int)").await;
    // Its row was made before the version, and the deployment did not see it.
    let mut write = store.write().await.unwrap();
    let first = databases::fetch(&mut write, "mlate__first")
        .await
        .unwrap()
        .unwrap();
    let fresh = password::new(Engine::MySql, flavour(first.engine, &first.server_version)).unwrap();
    let row = tenants::fetch(&mut write, "first").await.unwrap().unwrap();
    let second = databases::Database {
        name: "mlate__second".to_owned(),
        tenant: "second".to_owned(),
        stage: Stage::Creating,
        ..first
    };
    let row = tenants::Tenant {
        name: "second".to_owned(),
        id: "ten_second".to_owned(),
        status: TenantStatus::Creating,
        ..row
    };
    tenants::insert(&mut write, &row).await.unwrap();
    databases::insert(&mut write, &second).await.unwrap();
    logins::insert(&mut write, second.engine, &second.name, &fresh.verifier)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO deployments (id, blueprint, ordinal, status, created_at, finished_at)
         VALUES ('dep_1', 'mlate', 1, 'completed', $1, $1)",
    )
    .bind(crate::store::now())
    .execute(&mut *write)
    .await
    .unwrap();
    write.commit().await.unwrap();
    recover::pass(&control.context).await.unwrap();
    let shown = expect(control.get("/v1/tenants/second").await, 200).await;
    assert_eq!(shown["databases"][0]["version"], "1.1");
    let text = fresh.password.expose();
    let mut session = server.login("mlate__second", text, "mlate__second").await;
    session.run("INSERT INTO t VALUES (1)").await;
}
