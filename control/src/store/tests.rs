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
            mongo: None,
        },
        logins: Vec::new(),
        limits: Limits::default(),
        pool_mode: PoolMode::default(),
        local_infile: false,
        allow_ddl: false,
        redis: None,
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
    server_of(store, name, capacity, (Engine::Postgres, "15")).await;
}

/// Registers a server of an engine and version that nobody connects to.
pub(crate) async fn server_of(
    store: &Store,
    name: &str,
    capacity: Option<u32>,
    (engine, version): (Engine, &str),
) {
    let mut write = store.write().await.unwrap();
    let server = servers::Server {
        id: format!("srv_{name}"),
        name: name.to_owned(),
        engine,
        addr: format!("{name}:5432"),
        tls: ServerTls::VerifyFull,
        username: "admin".to_owned(),
        password: "x1.".to_owned(),
        mode: servers::Mode::Shared,
        labels: [("zone".to_owned(), "a".to_owned())].into(),
        capacity,
        version: version.to_owned(),
        mongo: None,
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
        allow_truncate: false,
        allow_local_infile: false,
        pool_mode: PoolMode::Session,
        created_at: now(),
        prefix: None,
        server: String::new(),
        server_version: String::new(),
    };
    databases::insert(&mut write, &database).await.unwrap();
    write.commit().await.unwrap();
}

/// Adds the active blueprint `a` on a server.
pub(crate) async fn blueprint(store: &Store, server: &str) {
    let mut write = store.write().await.unwrap();
    let server_id = format!("srv_{server}");
    let engine = servers::of_id(&mut write, &server_id).await.unwrap().engine;
    blueprints::insert(&mut write, "a", engine, &server_id)
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
        let mut fitting = servers::with_room(&mut read, Engine::Postgres)
            .await
            .unwrap();
        let chosen = fitting.remove(0);
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
        servers::with_room(&mut read, Engine::Postgres)
            .await
            .unwrap()
            .is_empty()
    );
    let full = servers::fetch(&mut read, "big").await.unwrap().unwrap();
    assert_eq!(full.databases, 2);
    assert_eq!(full.tls, ServerTls::VerifyFull);
    assert_eq!(full.labels["zone"], "a");
}

#[tokio::test]
async fn what_may_have_been_begun_never_goes_back_and_is_never_below_what_is_there() {
    let (_dir, store) = empty().await;
    server(&store, "s", None).await;
    blueprint(&store, "s").await;
    tenant(&store, "t", "s", 3).await;
    let mut write = store.write().await.unwrap();
    let engine = Engine::Postgres;
    let mut seen = Vec::new();
    seen.push(
        databases::ordinals(&mut write, engine, "a__t")
            .await
            .unwrap(),
    );
    for (begun, ordinal) in [(5, 4), (4, 4), (4, 7)] {
        databases::begun_raise(&mut write, engine, "a__t", begun)
            .await
            .unwrap();
        databases::ordinal_set(&mut write, engine, "a__t", ordinal)
            .await
            .unwrap();
        seen.push(
            databases::ordinals(&mut write, engine, "a__t")
                .await
                .unwrap(),
        );
    }
    let expected = [(3, 3), (4, 5), (4, 5), (7, 7)].map(Some);
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_probe_is_kept_with_its_statement() {
    let (_dir, store) = empty().await;
    server(&store, "s", None).await;
    blueprint(&store, "s").await;
    let mut write = store.write().await.unwrap();
    versions::insert(&mut write, "a", 1, &now()).await.unwrap();
    let statement = crate::blueprint::Statement {
        ddl: "CREATE TABLE t (id int)".to_owned(),
        tag: "CREATE TABLE".to_owned(),
        search_path: String::new(),
        deploy: true,
        origin: crate::blueprint::Origin::Wire,
        captured_at: OffsetDateTime::UNIX_EPOCH,
        user: String::new(),
        application_name: String::new(),
        context: None,
        probe: None,
    };
    versions::statement_insert(&mut write, "a", 1, 1, &statement)
        .await
        .unwrap();
    let left = [
        ("table t".to_owned(), Some("d1".to_owned())),
        ("view v".to_owned(), None),
    ];
    let probe = crate::blueprint::Probe(left.into());
    versions::probe_set(&mut write, "a", (1, 1), &probe)
        .await
        .unwrap();
    let read = versions::up_to(&mut write, "a", 1).await.unwrap();
    assert_eq!(read[0].statements[0].probe, Some(probe));
}

#[test]
fn a_route_has_no_more_of_a_mysql_login_than_proxies_need() {
    let login = |engine, username: &str, verifier: &str| logins::Login {
        engine,
        database: "a__b".to_owned(),
        username: username.to_owned(),
        verifier: verifier.to_owned(),
        generation: 1,
        applied: true,
    };
    let route = login(Engine::MySql, "a__b", "caching_sha2_password$0a$2441").route();
    assert_eq!(route.verifier, "caching_sha2_password$0a");
    assert_eq!(route.server_user, None);
    let long = "a".repeat(33);
    let route = login(Engine::MySql, &long, "mysql_native_password$0A").route();
    assert_eq!(route.verifier, "mysql_native_password$0A");
    let account = tenantsdb_codecs::mysql::account_name(&long).into_owned();
    assert_eq!((route.user, route.server_user), (long, Some(account)));
    let scram = "SCRAM-SHA-256$4096:c2FsdA==$a:b";
    let route = login(Engine::Postgres, &"a".repeat(33), scram).route();
    assert_eq!((route.verifier.as_str(), route.server_user), (scram, None));
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
