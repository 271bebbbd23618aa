//! Collections that come into being because somebody inserts into them are no version's: they are
//! shown, and in nobody's way.

use mongodb::bson::doc;
use serde_json::json;

use super::Blueprint;

#[test]
fn collections_that_inserts_bring_are_named() {
    let blueprint = Blueprint::start("mongo_drift");
    blueprint.workspace.run(doc! {"create": "users"});
    let index = doc! {"key": {"email": 1}, "name": "email_1"};
    let indexes = doc! {"createIndexes": "users", "indexes": [index]};
    blueprint.workspace.run(indexes);
    let acme = blueprint.tenant("acme");
    let other = blueprint.tenant("other");
    let drift = |tenant: &str| blueprint.fleet.tdb.run(&["tenants", "drift", tenant]).out();
    let none = |name: &str| format!("{name} is as version 1.2 says.");
    assert_eq!(drift("acme"), none(&acme.name));

    acme.insert("audit", vec![doc! {"who": "ada"}]);
    acme.insert("users", vec![doc! {"email": "ada@example.org"}]);
    let weather = doc! {"timeField": "at"};
    // Somebody with more rights.
    let admin = blueprint.fleet.server.admin(&acme.name);
    admin.run(doc! {"create": "weather", "timeseries": weather});
    admin.run(doc! {"create": "recent", "viewOn": "weather", "pipeline": []});
    admin.run(doc! {"dropIndexes": "users", "index": "email_1"});
    admin.run(doc! {"collMod": "users", "validator": {"email": {"$exists": true}}});
    let expected = format!(
        "\
{} is not as version 1.2 says:
  extra      collection audit
  different  collection users
  extra      collection weather
  missing    index users.email_1
  extra      view recent",
        acme.name
    );
    assert_eq!(drift("acme"), expected);
    assert_eq!(drift("other"), none(&other.name));
    let body = blueprint.fleet.tdb.json(&["tenants", "drift", "acme"]);
    let first = &body["databases"][0]["drift"][0];
    assert_eq!(
        *first,
        json!({"object": "collection audit", "how": "extra"})
    );

    // A version that has it takes the tenant's as it is.
    blueprint.workspace.run(doc! {"create": "audit"});
    let id = blueprint.fleet.deploy(&blueprint.name);
    let end = blueprint.fleet.deployed(&id);
    assert_eq!(end["status"], "completed", "{end:#}");
    assert_eq!(acme.find("audit").len(), 1);
    let drift = drift("acme");
    assert!(
        !drift.contains("audit") && drift.contains("weather"),
        "{drift}"
    );
}
