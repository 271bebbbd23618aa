//! What is taken from a login is taken from all that it has begun.

use mongodb::bson::{Document, doc};
use serde_json::json;
use tenantsdb_tests::mongo::{Database, Wire};
use tenantsdb_tests::wait;

use super::Blueprint;

/// Flags of OP_MSG (<https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>).
const MORE_TO_COME: u32 = 1 << 1;
const EXHAUST_ALLOWED: u32 = 1 << 16;
/// AuthenticationFailed.
const AUTHENTICATION_FAILED: i32 = 18;
/// Unauthorized.
const UNAUTHORIZED: i32 = 13;

fn logged_in(database: &Database) -> Wire {
    let mut wire = Wire::connect(&database.address).unwrap();
    wire.login(&database.user, &database.password, &database.source)
        .unwrap();
    wire
}

fn insert(database: &Database, text: &str) -> Document {
    doc! {"insert": "c", "documents": [{"text": text}], "$db": &database.name}
}

/// Leaves server connections of this login in the proxy's pool.
fn leave_connections(database: &Database) {
    let wires: Vec<Wire> = (0..4)
        .map(|_| {
            let mut wire = logged_in(database);
            wire.run(&insert(database, "of its own")).unwrap();
            wire
        })
        .collect();
    drop(wires);
}

#[test]
fn a_tenant_that_is_made_again_has_nothing_of_the_one_before() {
    let blueprint = Blueprint::start("mongo_revoked_again");
    let tenant = |name: &str| {
        let body = json!({"name": name, "blueprint": blueprint.name, "pool_mode": "transaction"});
        blueprint.fleet.tenant_with(&body)
    };
    let first = tenant("ghost");
    let mut of_the_first = logged_in(&first);
    of_the_first.run(&insert(&first, "first")).unwrap();
    let mut begun = Wire::connect(&first.address).unwrap();
    let login = begun.login_begin(&first.user, &first.password, &first.source);
    let login = login.unwrap();
    let tdb = &blueprint.fleet.tdb;
    tdb.run(&["tenants", "delete", "ghost", "--yes"]).ok();
    wait::until("the first is gone", || {
        let answer = blueprint.fleet.api.get("/v1/tenants/ghost");
        (answer.status == 404).then_some(())
    });
    let second = tenant("ghost");
    leave_connections(&second);

    let find = doc! {"find": "c", "$db": &first.name};
    let refused = of_the_first.run(&find).unwrap_err();
    assert_eq!(refused.code, UNAUTHORIZED, "{refused}");
    let refused = begun.login_end(login).unwrap_err();
    assert_eq!(refused.code, AUTHENTICATION_FAILED, "{refused}");
}

#[test]
fn a_login_that_was_begun_before_a_rotation_does_not_end_after_it() {
    let blueprint = Blueprint::start("mongo_revoked_rotation");
    let tenant = blueprint.tenant("acme");
    leave_connections(&tenant);
    let mut begun = Wire::connect(&tenant.address).unwrap();
    // A monitor has no deadline, so neither has a login that it begins.
    begun.run(&doc! {"hello": 1, "$db": "admin"}).unwrap();
    let login = begun.login_begin(&tenant.user, &tenant.password, &tenant.source);
    let login = login.unwrap();
    let rotated = blueprint
        .fleet
        .tdb
        .run(&["credentials", "rotate", &tenant.name]);
    rotated.ok();
    let refused = begun.login_end(login).unwrap_err();
    assert_eq!(refused.code, AUTHENTICATION_FAILED, "{refused}");
}

#[test]
fn a_suspended_tenants_login_does_not_end_either() {
    let blueprint = Blueprint::start("mongo_revoked_suspension");
    let tenant = blueprint.tenant("acme");
    let mut begun = Wire::connect(&tenant.address).unwrap();
    let login = begun.login_begin(&tenant.user, &tenant.password, &tenant.source);
    let login = login.unwrap();
    blueprint
        .fleet
        .tdb
        .run(&["tenants", "suspend", "acme"])
        .ok();
    let refused = begun.login_end(login).unwrap_err();
    assert_eq!(refused.code, UNAUTHORIZED, "{refused}");
    assert!(refused.text.contains("suspended"), "{refused}");
}

#[test]
fn an_exhaust_cursor_ends_with_its_login() {
    let blueprint = Blueprint::start("mongo_revoked_exhaust");
    let tenant = blueprint.tenant("acme");
    let mut wire = logged_in(&tenant);
    let (db, text) = (&tenant.name, "x".repeat(100_000));
    // Far more than the buffers on the way hold.
    for _ in 0..20 {
        let documents: Vec<Document> = (0..100).map(|_| doc! {"text": &text}).collect();
        wire.run(&doc! {"insert": "c", "documents": documents, "$db": db})
            .unwrap();
    }
    let reply = wire
        .run(&doc! {"find": "c", "batchSize": 1, "$db": db})
        .unwrap();
    let id = reply.get_document("cursor").unwrap().get_i64("id").unwrap();
    let more = doc! {"getMore": id, "collection": "c", "batchSize": 1, "$db": db};
    wire.send(EXHAUST_ALLOWED, &more);
    let first = wire.try_read().unwrap();
    if first.flags & MORE_TO_COME == 0 {
        // This server answers an exhaust request by one reply, so that there is nothing to end.
        return;
    }
    blueprint
        .fleet
        .tdb
        .run(&["credentials", "rotate", &tenant.name])
        .ok();
    let mut replies = 1;
    while let Ok(reply) = wire.try_read() {
        replies += 1;
        assert!(reply.flags & MORE_TO_COME != 0, "it was read to its end");
    }
    assert!(replies < 1_999, "{replies}");
}
