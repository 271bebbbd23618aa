//! What a client hears before and while it logs in, and who gets in.

use mongodb::bson::{Binary, Document, doc, spec::BinarySubtype};
use serde_json::json;
use tenantsdb_tests::mongo::{Database, Wire, message};
use tenantsdb_tests::wait;

use super::Blueprint;

const UNAUTHORIZED: i32 = 13;
const AUTHENTICATION_FAILED: i32 = 18;
const MECHANISM_UNAVAILABLE: i32 = 334;

fn of(mut command: Document, database: &str) -> Document {
    command.insert("$db", database);
    command
}

fn connect(database: &Database) -> Wire {
    Wire::connect(&database.address).unwrap()
}

#[test]
fn who_has_no_login_hears_what_drivers_ask_and_nothing_more() {
    let blueprint = Blueprint::start("mongo_hello");
    let acme = blueprint.tenant("acme");
    let mut wire = connect(&acme);
    let hello = wire.call(&of(doc! {"hello": 1, "helloOk": true}, "admin"));
    assert_eq!(
        hello.get_bool("isWritablePrimary").ok(),
        Some(true),
        "{hello}"
    );
    assert_eq!(hello.get_i32("maxBsonObjectSize").ok(), Some(16_777_216));
    assert_eq!(hello.get_i32("maxMessageSizeBytes").ok(), Some(48_000_000));
    assert_eq!(hello.get_i32("maxWriteBatchSize").ok(), Some(100_000));
    assert!(hello.get_i32("maxWireVersion").unwrap() >= 17, "{hello}");
    assert!(!hello.contains_key("serviceId"), "{hello}");
    let server = blueprint.fleet.server.address();
    assert!(!hello.to_string().contains(&server), "{hello}");
    for key in [
        "setName",
        "hosts",
        "me",
        "primary",
        "topologyVersion",
        "compression",
    ] {
        assert!(!hello.contains_key(key), "{key}: {hello}");
    }
    // Old drivers, and those that do not know what the server is, begin with OP_QUERY.
    let old = doc! {"isMaster": 1, "helloOk": true};
    let id = wire.send_as(message::QUERY, &message::query("admin", &old));
    let old = wire.read(id);
    assert_eq!(old.get_bool("ismaster").ok(), Some(true), "{old}");
    assert_eq!(old.get_bool("helloOk").ok(), Some(true), "{old}");
    assert_eq!(
        wire.run(&of(doc! {"ping": 1}, "admin"))
            .unwrap()
            .get_f64("ok")
            .ok(),
        Some(1.0)
    );
    let build = wire.run(&of(doc! {"buildInfo": 1}, "admin")).unwrap();
    assert!(build.get_str("version").unwrap().contains('.'), "{build}");
    for command in [
        doc! {"find": "users"},
        doc! {"listDatabases": 1},
        doc! {"createUser": "x", "pwd": "x", "roles": ["root"]},
    ] {
        let failed = wire.run(&of(command, &acme.name)).unwrap_err();
        assert_eq!(failed.code, UNAUTHORIZED, "{failed}");
        assert!(failed.text.contains("requires authentication"), "{failed}");
    }
}

/// <https://github.com/mongodb/specifications/blob/master/source/load-balancers/load-balancers.md>
#[test]
fn a_load_balanced_driver_is_told_one_service() {
    let blueprint = Blueprint::start("mongo_balanced");
    let hello = of(doc! {"hello": 1, "loadBalanced": true}, "admin");
    let ids = [(); 2].map(|()| {
        let hello = connect(&blueprint.workspace).call(&hello);
        hello.get_object_id("serviceId").unwrap()
    });
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_one_answer() {
    let blueprint = Blueprint::start("mongo_wrong");
    let acme = blueprint.tenant("acme");
    let mut nobody = acme.clone();
    nobody.user = "nobody".to_owned();
    let mut nowhere = acme.clone();
    nowhere.source = "nowhere".to_owned();
    for login in [acme.with_password("wrong"), nobody, nowhere] {
        let failed = login.refused();
        assert_eq!(failed.code, AUTHENTICATION_FAILED, "{failed}");
        assert_eq!(failed.text, "Authentication failed.");
    }
    let mechanisms = |user: &str| {
        let asked = doc! {"hello": 1, "saslSupportedMechs": format!("{}.{user}", acme.name)};
        let hello = connect(&acme).call(&of(asked, "admin"));
        hello.get_array("saslSupportedMechs").unwrap().clone()
    };
    assert_eq!(mechanisms(&acme.user), ["SCRAM-SHA-256".into()]);
    assert_eq!(mechanisms("nobody"), mechanisms(&acme.user));
    drop(acme.wire());
}

#[test]
fn other_mechanisms_are_refused_with_the_reason() {
    let blueprint = Blueprint::start("mongo_mechanism");
    let payload = Binary {
        subtype: BinarySubtype::Generic,
        bytes: b"n,,n=x,r=0123456789abcdef01234567".to_vec(),
    };
    for mechanism in ["SCRAM-SHA-1", "PLAIN", "GSSAPI"] {
        let start = doc! {"saslStart": 1, "mechanism": mechanism, "payload": &payload};
        let mut wire = connect(&blueprint.workspace);
        let failed = wire.run(&of(start, &blueprint.workspace.name)).unwrap_err();
        assert_eq!(failed.code, MECHANISM_UNAVAILABLE, "{failed}");
        assert!(failed.text.contains(mechanism), "{failed}");
        assert!(failed.text.contains("SCRAM-SHA-256"), "{failed}");
    }
}

#[test]
fn a_suspended_tenant_is_told_so_and_only_with_its_password() {
    let blueprint = Blueprint::start("mongo_suspend");
    let tenant = format!("t{}", blueprint.name);
    let acme = blueprint.tenant(&tenant);
    let mut open = acme.wire();
    let api = &blueprint.fleet.api;
    let path = format!("/v1/tenants/{tenant}");
    let suspended = api.post(&format!("{path}/suspend"), &json!({})).expect(200);
    assert_eq!(suspended["status"], "suspended", "{suspended:#}");
    let failed = acme.refused();
    assert!(failed.text.contains("suspended"), "{failed}");
    let wrong = acme.with_password("wrong").refused();
    assert_eq!(wrong.code, AUTHENTICATION_FAILED, "{wrong}");
    let find = of(doc! {"find": "users"}, &acme.name);
    wait::until("the open session to end", || {
        open.run(&find).is_err().then_some(())
    });
    let _ = api.post(&format!("{path}/resume"), &json!({})).expect(200);
    let _ = acme.wait_in().run(&find).unwrap();
}

#[test]
fn a_rotated_password_replaces_the_old_one() {
    let blueprint = Blueprint::start("mongo_rotate");
    let acme = blueprint.tenant("acme");
    let path = format!("/v1/credentials/{}/rotate", acme.name);
    let rotated = blueprint.fleet.api.post(&path, &json!({})).expect(200);
    let new = Database::issued(&rotated["connection_string"]);
    assert_ne!(new.password, acme.password);
    assert_eq!(acme.refused().code, AUTHENTICATION_FAILED);
    let server = blueprint.fleet.server.address();
    assert_eq!(acme.at(&server).refused().code, AUTHENTICATION_FAILED);
    for address in [&new.address, &server] {
        let _ = new
            .at(address)
            .wire()
            .run(&of(doc! {"find": "users"}, &new.name))
            .unwrap();
    }
}

#[test]
fn a_server_that_is_away_is_a_clear_error_and_comes_back() {
    let blueprint = Blueprint::of(tenantsdb_tests::MongoFleet::own("mongo_away", 1));
    let acme = blueprint.tenant("acme");
    acme.insert("users", vec![doc! {"_id": 1}]);
    blueprint.fleet.server.stop();
    let failed = acme.refused_or_fails(&doc! {"find": "users"});
    assert_ne!(failed.code, AUTHENTICATION_FAILED, "{failed}");
    assert!(
        failed.code > 0,
        "an error of the protocol, no cut connection: {failed}"
    );
    blueprint.fleet.server.resume();
    wait::until("the tenant to be served again", || {
        let mut wire = acme.try_wire().ok()?;
        wire.run(&of(doc! {"find": "users"}, &acme.name)).ok()
    });
    assert_eq!(acme.find("users"), [doc! {"_id": 1}]);
}
