//! A version reaches every tenant exactly once, whatever fails or is killed on the way; and what
//! cannot be known is said to need a person.

use std::thread;

use mongodb::bson::{Document, doc};
use serde_json::Value;
use tenantsdb_tests::mongo::{Database, database};
use tenantsdb_tests::wait;

use super::Blueprint;

/// Threads that make tenants.
const MAKERS: usize = 4;

fn name(n: usize) -> String {
    format!("t{n:03}")
}

fn make_tenants(blueprint: &Blueprint, count: usize) -> Vec<Database> {
    let mut tenants: Vec<Database> = thread::scope(|scope| {
        let makers: Vec<_> = (0..MAKERS)
            .map(|maker| {
                scope.spawn(move || {
                    let mine = (maker..count).step_by(MAKERS);
                    mine.map(|n| blueprint.tenant(&name(n))).collect::<Vec<_>>()
                })
            })
            .collect();
        makers
            .into_iter()
            .flat_map(|maker| maker.join().unwrap())
            .collect()
    });
    tenants.sort_by(|a, b| a.name.cmp(&b.name));
    tenants
}

fn index(field: &str, unique: bool) -> Document {
    let mut keys = Document::new();
    keys.insert(field, 1);
    doc! {"createIndexes": "users", "indexes": [
        {"key": keys, "name": format!("{field}_1"), "unique": unique},
    ]}
}

fn indexes(blueprint: &Blueprint, tenant: &Database, of: &str) -> Vec<String> {
    let server = blueprint.fleet.server.admin(&tenant.name);
    let listed = server.run(doc! {"listIndexes": of});
    let name = |index: &Document| index.get_str("name").unwrap().to_owned();
    database::batch(&listed).iter().map(name).collect()
}

fn result_of<'a>(deployment: &'a Value, tenant: &str) -> &'a Value {
    let results = deployment["results"].as_array().unwrap();
    let found = results.iter().find(|result| result["tenant"] == tenant);
    found.unwrap_or_else(|| panic!("no result for {tenant}: {deployment:#}"))
}

fn deploy(blueprint: &Blueprint) -> Value {
    let id = blueprint.fleet.deploy(&blueprint.name);
    blueprint.fleet.deployed(&id)
}

const TENANTS: usize = 60;
const BROKEN: [usize; 2] = [17, 41];

/// An index of the same name that is another, and documents that are in the way of a unique one.
#[test]
fn tenants_that_cannot_follow_are_named_and_the_others_have_it() {
    let blueprint = Blueprint::start("mongo_deploy");
    blueprint.workspace.run(doc! {"create": "users"});
    let tenants = make_tenants(&blueprint, TENANTS);
    let admin = |n: usize| blueprint.fleet.server.admin(&tenants[n].name);
    let same = vec![doc! {"email": "same"}, doc! {"email": "same"}];
    admin(BROKEN[0]).insert("users", same);
    admin(BROKEN[1]).run(index("email", false));
    blueprint.workspace.run(index("email", true));
    let end = deploy(&blueprint);
    assert_eq!(end["status"], "failed", "{end:#}");
    assert_eq!(end["completed"], TENANTS - BROKEN.len(), "{end:#}");
    for n in BROKEN {
        let result = result_of(&end, &name(n));
        assert_ne!(result["status"], "completed", "{result:#}");
        assert!(
            result["error"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{result:#}"
        );
    }
    admin(BROKEN[0]).run(doc! {"delete": "users", "deletes": [{"q": {}, "limit": 0}]});
    admin(BROKEN[1]).run(doc! {"dropIndexes": "users", "index": "email_1"});
    let end = deploy(&blueprint);
    assert_eq!(end["status"], "completed", "{end:#}");
    assert_eq!(blueprint.fleet.pending(&blueprint.name), []);
    for tenant in &tenants {
        assert_eq!(
            indexes(&blueprint, tenant, "users"),
            ["_id_", "email_1"],
            "{}",
            tenant.name
        );
    }
}

const FORTY: usize = 40;
/// Tenants that are done when control is killed, or a few more.
const MIDDLE: u64 = 8;

#[test]
fn a_control_killed_in_a_deployment_goes_on_where_it_was() {
    let mut blueprint = Blueprint::start("mongo_deploy_kill");
    blueprint.workspace.run(doc! {"create": "users"});
    let tenants = make_tenants(&blueprint, FORTY);
    let mut expected = vec!["_id_".to_owned()];
    for version in 0.. {
        // Several commands, so that most kills meet a version half done.
        for part in ["a", "b", "c"] {
            blueprint
                .workspace
                .run(index(&format!("{part}{version}"), false));
            expected.push(format!("{part}{version}_1"));
        }
        let id = blueprint.fleet.deploy(&blueprint.name);
        let completed = wait::until("the deployment to get under way", || {
            let completed = blueprint.fleet.deployment(&id)["completed"].as_u64()?;
            (completed >= MIDDLE).then_some(completed)
        });
        blueprint.fleet.control.kill();
        blueprint.fleet.control.resume();
        let end = blueprint.fleet.deployed(&id);
        assert_eq!(end["status"], "completed", "{end:#}");
        for tenant in &tenants {
            assert_eq!(
                indexes(&blueprint, tenant, "users"),
                expected,
                "{}",
                tenant.name
            );
        }
        // Killed after its end, which a slow look may do: then it was no proof; once more.
        if completed < FORTY as u64 {
            println!("control was killed after {completed} of {FORTY} tenants");
            return;
        }
    }
}

/// Nobody saw that: what it was is told from what is there before and after.
#[test]
fn a_collection_renamed_past_the_proxy_keeps_its_documents_and_indexes() {
    let blueprint = Blueprint::start("mongo_deploy_rename");
    blueprint.workspace.run(doc! {"create": "users"});
    blueprint.workspace.run(index("email", true));
    let tenant = blueprint.tenant("acme");
    tenant.insert("users", vec![doc! {"_id": 1, "email": "ada@example.org"}]);
    let workspace = &blueprint.workspace.name;
    let [from, to] = ["users", "people"].map(|name| format!("{workspace}.{name}"));
    let admin = blueprint.fleet.server.admin("admin");
    admin.run(doc! {"renameCollection": from, "to": to});
    let mut later = index("phone", false);
    later.insert("createIndexes", "people");
    blueprint.workspace.run(later);
    let end = deploy(&blueprint);
    assert_eq!(end["status"], "completed", "{end:#}");
    let found = tenant.find("people");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(tenant.collections(), ["_tenantsdb", "people"]);
    let all = ["_id_", "email_1", "phone_1"];
    for tenant in [&tenant, &blueprint.tenant("new")] {
        assert_eq!(indexes(&blueprint, tenant, "people"), all);
    }
}

/// Tenants can write into their marker: what it says is believed only where control knows better.
#[test]
fn a_marker_that_says_otherwise_stops_everything() {
    let blueprint = Blueprint::start("mongo_deploy_marker");
    blueprint.workspace.run(doc! {"create": "users"});
    let [gone, fine] = ["gone", "fine"].map(|name| blueprint.tenant(name));
    let marker = blueprint.fleet.server.admin(&gone.name);
    marker.run(doc! {"delete": "_tenantsdb", "deletes": [{"q": {}, "limit": 0}]});
    blueprint.workspace.run(index("phone", false));
    let end = deploy(&blueprint);
    assert_eq!(end["status"], "failed", "{end:#}");
    assert_eq!(
        result_of(&end, "gone")["status"],
        "needs_attention",
        "{end:#}"
    );
    assert_eq!(result_of(&end, "fine")["status"], "completed", "{end:#}");
    // Nothing was replayed there.
    assert_eq!(indexes(&blueprint, &gone, "users"), ["_id_"]);
    assert_eq!(indexes(&blueprint, &fine, "users"), ["_id_", "phone_1"]);
}
