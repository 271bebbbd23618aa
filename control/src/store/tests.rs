use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::{Kind, Limits, PoolMode, Route, Server, ServerTls, Status};

use super::*;

/// A store of its own, and the directory that has to outlive it.
pub(crate) async fn empty() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(&dir.path().join("control.db"), "epoch_1")
        .await
        .unwrap();
    (dir, store)
}

/// A route that nothing is behind.
pub(crate) fn route(database: &str) -> Route {
    Route {
        engine: Engine::Postgres,
        database: database.to_owned(),
        kind: Kind::Tenant,
        blueprint: "a".to_owned(),
        tenant: Some("b".to_owned()),
        status: Status::Active,
        server: Server {
            id: "srv_1".to_owned(),
            addr: "127.0.0.1:5432".to_owned(),
            tls: ServerTls::Disable,
            version: None,
        },
        logins: Vec::new(),
        limits: Limits::default(),
        pool_mode: PoolMode::default(),
        local_infile: false,
    }
}

/// Puts a route and commits.
pub(crate) async fn put(store: &Store, database: &str) -> u64 {
    let mut write = store.write().await.unwrap();
    routes::put(&mut write, &route(database)).await.unwrap();
    write.commit().await.unwrap()
}

/// Registers a server that nobody connects to.
pub(crate) async fn server(store: &Store, name: &str, capacity: Option<u32>) {
    let mut write = store.write().await.unwrap();
    let server = servers::Server {
        id: format!("srv_{name}"),
        name: name.to_owned(),
        engine: Engine::Postgres,
        addr: format!("{name}:5432"),
        tls: ServerTls::VerifyFull,
        username: "admin".to_owned(),
        password: "x1.".to_owned(),
        mode: "shared".to_owned(),
        labels: [("zone".to_owned(), "a".to_owned())].into(),
        capacity,
        version: "15".to_owned(),
        created_at: now(),
        databases: 0,
    };
    servers::insert(&mut write, &server).await.unwrap();
    write.commit().await.unwrap();
}

/// Adds an active tenant with a database of blueprint `a` at a version.
pub(crate) async fn tenant(store: &Store, name: &str, server: &str, ordinal: u32) {
    let mut write = store.write().await.unwrap();
    let tenant = tenants::Tenant {
        name: name.to_owned(),
        id: format!("ten_{name}"),
        external_id: None,
        labels: Default::default(),
        status: tenants::TenantStatus::Active,
        reason: String::new(),
        created_at: now(),
    };
    tenants::insert(&mut write, &tenant).await.unwrap();
    let database = databases::Database {
        engine: Engine::Postgres,
        name: format!("a__{name}"),
        tenant: name.to_owned(),
        blueprint: "a".to_owned(),
        server_id: format!("srv_{server}"),
        ordinal,
        stage: blueprints::Stage::Active,
        reason: String::new(),
        allow_ddl: false,
        created_at: now(),
        server: String::new(),
    };
    databases::insert(&mut write, &database).await.unwrap();
    write.commit().await.unwrap();
}

/// Adds the active blueprint `a` on a server.
pub(crate) async fn blueprint(store: &Store, server: &str) {
    let mut write = store.write().await.unwrap();
    let server_id = format!("srv_{server}");
    blueprints::insert(&mut write, "a", Engine::Postgres, &server_id)
        .await
        .unwrap();
    blueprints::stage_set(&mut write, "a", blueprints::Stage::Active, "")
        .await
        .unwrap();
    write.commit().await.unwrap();
}

#[tokio::test]
async fn a_store_is_made_once_and_opened_again() {
    let (dir, store) = empty().await;
    let path = dir.path().join("control.db");
    put(&store, "a__b").await;
    store.close().await;
    let store = Store::create(&path, "epoch_2").await.unwrap();
    assert_eq!(store.epoch(), "epoch_1");
    store.close().await;
    let store = Store::open(&path).await.unwrap();
    assert_eq!(store.epoch(), "epoch_1");
    assert_eq!(*store.rev().borrow(), 1);
    assert!(Store::open(&dir.path().join("other.db")).await.is_err());
}

#[tokio::test]
async fn revisions_are_raised_by_commits_only() {
    let (_dir, store) = empty().await;
    let mut write = store.write().await.unwrap();
    routes::put(&mut write, &route("a__b")).await.unwrap();
    drop(write);
    assert_eq!(*store.rev().borrow(), 0);
    assert_eq!(put(&store, "a__b").await, 1);
    assert_eq!(put(&store, "a__c").await, 2);
    assert_eq!(*store.rev().borrow(), 2);
}

#[tokio::test]
async fn changes_hold_each_route_once_and_tombstones_until_they_are_compacted() {
    let (_dir, store) = empty().await;
    put(&store, "a__b").await;
    put(&store, "a__c").await;
    put(&store, "a__b").await;
    let mut write = store.write().await.unwrap();
    routes::drop(&mut write, Engine::Postgres, "a__c")
        .await
        .unwrap();
    write.commit().await.unwrap();
    let changes = routes::since(&mut store.read().await.unwrap(), 0, 10)
        .await
        .unwrap();
    let seen: Vec<_> = changes
        .iter()
        .map(|c| (c.rev, c.database.as_str(), c.dropped))
        .collect();
    assert_eq!(seen, [(3, "a__b", false), (4, "a__c", true)]);

    let mut write = store.write().await.unwrap();
    assert_eq!(routes::compact(&mut write, "2000-01-01").await.unwrap(), 0);
    assert_eq!(routes::compact(&mut write, "9999-01-01").await.unwrap(), 1);
    write.commit().await.unwrap();
    let revisions = routes::revisions(&mut store.read().await.unwrap())
        .await
        .unwrap();
    assert_eq!(
        (revisions.newest, revisions.floor, revisions.routes),
        (4, 4, 1)
    );
}

#[tokio::test]
async fn the_server_with_most_room_is_chosen_and_a_full_one_never() {
    let (_dir, store) = empty().await;
    server(&store, "small", Some(1)).await;
    server(&store, "big", Some(2)).await;
    blueprint(&store, "big").await;
    for expected in ["big", "big", "small"] {
        let mut read = store.read().await.unwrap();
        let chosen = servers::roomiest(&mut read, Engine::Postgres)
            .await
            .unwrap()
            .unwrap();
        // With equal room the one with the lower id goes first: srv_big.
        assert_eq!(chosen.name, expected);
        drop(read);
        tenant(
            &store,
            &format!("t{}", *store.rev().borrow()),
            &chosen.name,
            0,
        )
        .await;
        put(&store, "a__x").await;
    }
    let mut read = store.read().await.unwrap();
    assert!(
        servers::roomiest(&mut read, Engine::Postgres)
            .await
            .unwrap()
            .is_none()
    );
    let full = servers::fetch(&mut read, "big").await.unwrap().unwrap();
    assert_eq!(full.databases, 2);
    assert_eq!(full.tls, ServerTls::VerifyFull);
    assert_eq!(full.labels["zone"], "a");
}

#[tokio::test]
async fn tenants_are_listed_by_name_and_filtered_before_the_cut() {
    let (_dir, store) = empty().await;
    server(&store, "s", None).await;
    blueprint(&store, "s").await;
    for name in ["c", "a", "b"] {
        tenant(&store, name, "s", 1).await;
    }
    let mut write = store.write().await.unwrap();
    tenants::status_set(&mut write, "a", tenants::TenantStatus::Suspended, "")
        .await
        .unwrap();
    write.commit().await.unwrap();
    let mut read = store.read().await.unwrap();
    let filter = tenants::Filter {
        blueprint: Some("a".to_owned()),
        status: Some(tenants::TenantStatus::Active),
    };
    let page = tenants::list(&mut read, &filter, "", 1).await.unwrap();
    assert_eq!(page[0].name, "b");
    let page = tenants::list(&mut read, &filter, "b", 5).await.unwrap();
    assert_eq!(
        page.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
        ["c"]
    );
    let other = tenants::Filter {
        blueprint: Some("other".to_owned()),
        status: None,
    };
    assert!(
        tenants::list(&mut read, &other, "", 5)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (_dir, store) = empty().await;
    let mut read = store.read().await.unwrap();
    assert!(proxies::token_insert(&mut read, "a", "b").await.is_err());
}

#[test]
fn times_sort_as_text() {
    let early = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
    let late = early + time::Duration::microseconds(1);
    assert_eq!(timestamp(early), "2023-11-14T22:13:20.000000Z");
    assert!(timestamp(early) < timestamp(late));
    assert_eq!(parse_timestamp(&timestamp(late)).unwrap(), late);
}
