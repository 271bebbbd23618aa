//! The data plane outlives the control plane, and what control said is true on every proxy when it
//! said it.

use std::thread;

use serde_json::json;
use tenantsdb_tests::{Database, Fleet, wait};

/// Tenants made by each of two threads, each used at once through both proxies.
const EACH: usize = 100;

#[test]
fn a_new_tenant_works_on_every_proxy_at_once() {
    let fleet = &Fleet::start("outage_create", 2);
    fleet
        .workspace("myapp")
        .psql("CREATE TABLE a (id int)")
        .ok();
    let made: usize = thread::scope(|scope| {
        let makers = ["x", "y"].map(|half| {
            scope.spawn(move || {
                for n in 0..EACH {
                    let tenant = fleet.tenant("myapp", &format!("{half}{n}"));
                    for proxy in &fleet.proxies {
                        let mut client = tenant.at(&proxy.address()).connect();
                        let row = client.query_one("SELECT count(*) FROM a", &[]).unwrap();
                        assert_eq!(row.get::<_, i64>(0), 0);
                    }
                }
                EACH
            })
        });
        makers.into_iter().map(|maker| maker.join().unwrap()).sum()
    });
    assert_eq!(made, 200);
}

#[test]
fn tenants_are_served_while_control_is_away() {
    let mut fleet = Fleet::start("outage_control", 2);
    fleet
        .workspace("myapp")
        .psql("CREATE TABLE a (id int)")
        .ok();
    let tenant = fleet.tenant("myapp", "acme");
    let mut open = tenant.connect();
    for proxy in &fleet.proxies {
        wait::until("the snapshot to be on disk", || {
            proxy.keeps(&tenant.name).then_some(())
        });
    }
    fleet.control.kill();

    open.batch_execute("INSERT INTO a VALUES (1)").unwrap();
    tenant.psql("INSERT INTO a VALUES (2)").ok();

    // Killed, and stopped in order: both come back with what they knew.
    fleet.proxies[0].kill();
    fleet.proxies[0].resume();
    fleet.proxies[1].stop();
    fleet.proxies[1].resume();
    for proxy in &fleet.proxies {
        let count = tenant.at(&proxy.address()).psql("SELECT count(*) FROM a");
        assert_eq!(count.out(), "2");
        let wrong = Database {
            password: "wrong".to_owned(),
            ..tenant.at(&proxy.address())
        };
        assert_eq!(wrong.refused().0, "28P01");
    }

    // Control comes back, and its changes reach both.
    fleet.control.resume();
    let globex = fleet.tenant("myapp", "globex");
    for proxy in &fleet.proxies {
        globex.at(&proxy.address()).psql("SELECT 1").ok();
    }
}

#[test]
fn rotation_and_suspension_hold_on_every_proxy_when_they_return() {
    let fleet = Fleet::start("outage_rotate", 2);
    fleet
        .workspace("myapp")
        .psql("CREATE TABLE a (id int)")
        .ok();
    let old = fleet.tenant("myapp", "acme");
    let on_each = |database: &Database| {
        let addresses = fleet.proxies.iter().map(|proxy| proxy.address());
        addresses.map(|a| database.at(&a)).collect::<Vec<_>>()
    };
    let mut sessions: Vec<_> = on_each(&old).iter().map(Database::connect).collect();

    let path = format!("/v1/credentials/{}/rotate", old.name);
    let rotated = fleet.api.post(&path, &json!({})).expect(200);
    assert_eq!(rotated["routed"], true, "{rotated:#}");
    let new = Database::issued(&rotated["connection_string"]);
    for (old, new) in on_each(&old).iter().zip(on_each(&new)) {
        assert_eq!(old.refused().0, "28P01");
        assert_eq!(new.psql("SELECT count(*) FROM a").out(), "0");
    }
    for session in &mut sessions {
        assert!(
            session.simple_query("SELECT 1").is_err(),
            "it was not ended"
        );
    }

    let mut sessions: Vec<_> = on_each(&new).iter().map(Database::connect).collect();
    let suspended = fleet.api.post("/v1/tenants/acme/suspend", &json!({}));
    let suspended = suspended.expect(200);
    assert_eq!(suspended["status"], "suspended", "{suspended:#}");
    for new in on_each(&new) {
        assert_eq!(new.refused().0, "57P03");
    }
    for session in &mut sessions {
        assert!(
            session.simple_query("SELECT 1").is_err(),
            "it was not ended"
        );
    }
    // Neither does the server itself let the login in.
    let (state, _) = new.at(&fleet.server.address()).refused();
    assert_eq!(state, "28000");

    let resumed = fleet.api.post("/v1/tenants/acme/resume", &json!({}));
    assert_eq!(resumed.expect(200)["status"], "active");
    for new in on_each(&new) {
        assert_eq!(new.psql("SELECT count(*) FROM a").out(), "0");
    }
}

#[test]
fn deleting_a_tenant_closes_its_route_and_frees_its_name() {
    let fleet = Fleet::start("outage_delete", 2);
    fleet
        .workspace("myapp")
        .psql("CREATE TABLE a (id int)")
        .ok();
    let tenant = fleet.tenant("myapp", "acme");
    tenant.psql("INSERT INTO a VALUES (1)").ok();
    let _ = fleet.api.delete("/v1/tenants/acme").expect(202);
    wait::until("the tenant to be gone", || {
        (fleet.api.get("/v1/tenants/acme").status == 404).then_some(())
    });
    for proxy in &fleet.proxies {
        assert_eq!(tenant.at(&proxy.address()).refused().0, "28P01");
    }
    let mut admin = fleet.server.admin("postgres");
    let sql = "SELECT (SELECT count(*) FROM pg_database WHERE datname = 'myapp__acme')
                    + (SELECT count(*) FROM pg_roles WHERE rolname = 'myapp__acme')";
    assert_eq!(admin.query_one(sql, &[]).unwrap().get::<_, i64>(0), 0);
    // The name can be used again, and nothing of the old tenant is there.
    let again = fleet.tenant("myapp", "acme");
    assert_eq!(again.psql("SELECT count(*) FROM a").out(), "0");
}
