//! The diff is exactly what changed the workspace's structure, in the order in which it did;
//! whatever is killed on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mongodb::bson::{Document, doc};
use tenantsdb_tests::mongo::{Database, Kind, database};
use tenantsdb_tests::{node, wait};

use super::Blueprint;

impl Blueprint {
    fn pending(&self) -> Vec<String> {
        let pending = self.fleet.pending(&self.name);
        pending.into_iter().map(|(_, text)| text).collect()
    }
}

fn index(collection: &str, field: &str, unique: bool) -> Document {
    let mut keys = Document::new();
    keys.insert(field, 1);
    let mut index = doc! {"key": keys, "name": format!("{field}_1")};
    if unique {
        index.insert("unique", true);
    }
    doc! {"createIndexes": collection, "indexes": [index]}
}

fn names_of_indexes(database: &Database, collection: &str) -> Vec<String> {
    let list = doc! {"listIndexes": collection, "cursor": {"batchSize": 1000}};
    let indexes = database.run(list);
    let name = |index: &Document| index.get_str("name").unwrap().to_owned();
    database::batch(&indexes).iter().map(name).collect()
}

#[test]
fn commands_that_took_effect_are_in_the_diff_as_the_shell_has_them() {
    let blueprint = Blueprint::start("mongo_capture");
    let dev = &blueprint.workspace;
    dev.run(doc! {"create": "users"});
    dev.run(index("users", "email", true));
    assert_eq!(blueprint.pending().len(), 2, "{:#?}", blueprint.pending());
    let shown = blueprint
        .fleet
        .tdb
        .run(&["workspaces", "diff", &blueprint.name])
        .out();
    for line in [
        "  1. db.createCollection(\"users\")",
        "  2. db.users.createIndex({email: 1}, {unique: true})",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{shown}");
    }
    let acme = blueprint.tenant("acme");
    assert_eq!(acme.collections(), ["_tenantsdb", "users"]);
    assert_eq!(names_of_indexes(&acme, "users"), ["_id_", "email_1"]);
}

#[test]
fn commands_that_failed_and_documents_are_not_in_the_diff() {
    let blueprint = Blueprint::start("mongo_capture_not");
    let dev = &blueprint.workspace;
    dev.run(doc! {"create": "users"});
    dev.run(index("users", "email", true));
    let before = blueprint.pending();
    assert_eq!(
        dev.fails(doc! {"create": "users", "capped": true, "size": 4096})
            .code,
        48
    );
    if blueprint.fleet.server.kind != Kind::SecantusPy {
        assert_ne!(dev.fails(doc! {"drop": "system.nothing"}).code, 0);
    }
    assert_eq!(
        dev.fails(doc! {"dropIndexes": "users", "index": "nothing"})
            .code,
        27
    );
    // The same once more changes nothing.
    dev.run(index("users", "email", true));
    dev.insert("users", vec![doc! {"email": "ada@example.org"}]);
    dev.run(doc! {"update": "users", "updates": [{"q": {}, "u": {"$set": {"a": 1}}}]});
    let two = doc! {"email": "twice"};
    let insert = doc! {"insert": "users", "documents": [&two, &two]};
    assert!(dev.try_run(insert).unwrap().contains_key("writeErrors"));
    dev.run(doc! {"delete": "users", "deletes": [{"q": {}, "limit": 0}]});
    assert_eq!(blueprint.pending(), before);
}

/// What comes into being by a write.
#[test]
fn names_with_dots_are_told_apart() {
    let blueprint = Blueprint::start("mongo_capture_dots");
    let dev = &blueprint.workspace;
    // Without a mark between the two names, both are users.profile.email_1.
    dev.run(index("users", "profile.email", true));
    dev.run(index("users.profile", "email", false));
    let acme = blueprint.tenant("acme");
    let of_users = names_of_indexes(&acme, "users");
    assert_eq!(of_users, ["_id_", "profile.email_1"]);
    let of_profile = names_of_indexes(&acme, "users.profile");
    assert_eq!(of_profile, ["_id_", "email_1"]);
}

#[test]
fn what_is_nested_too_deep_to_be_recorded_is_refused() {
    let blueprint = Blueprint::start("mongo_capture_deep");
    let dev = &blueprint.workspace;
    let validator = |depth| (0..depth).fold(doc! {"a": 1}, |inner, _| doc! {"a": inner});
    let create = |name: &str, depth| doc! {"create": name, "validator": validator(depth)};
    let refused = dev.fails(create("deep", 110));
    assert_eq!(refused.code, 15, "{refused}");
    assert!(refused.text.contains("nested"), "{refused}");
    dev.run(create("shallow", 40));
    assert_eq!(blueprint.pending().len(), 1, "{:?}", blueprint.pending());
    assert_eq!(
        blueprint.tenant("acme").collections(),
        ["_tenantsdb", "shallow"]
    );
}

#[test]
fn collections_that_writes_make_are_in_the_diff() {
    let blueprint = Blueprint::start("mongo_capture_implicit");
    let dev = &blueprint.workspace;
    dev.insert("by_insert", vec![doc! {"_id": 1}, doc! {"_id": 2}]);
    dev.insert("by_insert", vec![doc! {"_id": 3}]);
    let upsert = doc! {"q": {"_id": 1}, "u": {"$set": {"a": 1}}, "upsert": true};
    dev.run(doc! {"update": "by_update", "updates": [upsert]});
    // Nothing is found, and nothing is made; but by one that makes collections sooner than mongod.
    if blueprint.fleet.server.kind != Kind::SecantusPy {
        let none = doc! {"q": {"_id": 1}, "u": {"$set": {"a": 1}}};
        dev.run(doc! {"update": "not_made", "updates": [none]});
    }
    dev.run(doc! {
        "findAndModify": "by_modify", "query": {"_id": 1}, "update": {"a": 1}, "upsert": true,
    });
    dev.run(doc! {"aggregate": "by_insert", "pipeline": [{"$out": "by_out"}], "cursor": {}});
    dev.run(index("by_index", "a", false));
    let all = ["by_index", "by_insert", "by_modify", "by_out", "by_update"];
    let pending = blueprint.pending().join("\n");
    for name in all {
        let create = format!("{{\"create\":\"{name}\"}}");
        assert_eq!(pending.matches(&create).count(), 1, "{name}: {pending}");
    }
    assert!(!pending.contains("not_made"), "{pending}");
    let acme = blueprint.tenant("acme");
    assert_eq!(acme.collections(), [&["_tenantsdb"], &all[..]].concat());
    for name in all {
        assert_eq!(acme.find(name), [], "documents stay where they are");
    }
}

#[test]
fn every_kind_of_command_is_captured_and_reaches_tenants() {
    let blueprint = Blueprint::start("mongo_capture_kinds");
    let early = blueprint.tenant("early");
    let dev = &blueprint.workspace;
    let rename = |from: &str, to: &str| {
        let name = |collection: &str| format!("{}.{collection}", dev.name);
        doc! {"renameCollection": name(from), "to": name(to)}
    };
    dev.run(doc! {"create": "users", "validator": {"$jsonSchema": {"required": ["email"]}}});
    dev.run(index("users", "email", true));
    dev.run(index("users", "gone", false));
    dev.run(doc! {"dropIndexes": "users", "index": "gone_1"});
    dev.run(doc! {"collMod": "users", "validationLevel": "moderate"});
    let adults = doc! {"$match": {"age": {"$gte": 18}}};
    dev.run(doc! {"create": "adults", "viewOn": "users", "pipeline": [adults]});
    dev.run(doc! {"create": "log", "capped": true, "size": 4096, "max": 10});
    dev.run(doc! {"create": "temporary"});
    dev.of("admin").run(rename("temporary", "renamed"));
    dev.run(doc! {"create": "dropped"});
    dev.run(doc! {"drop": "dropped"});
    assert_eq!(blueprint.pending().len(), 11, "{:#?}", blueprint.pending());
    let end = blueprint
        .fleet
        .deployed(&blueprint.fleet.deploy(&blueprint.name));
    assert_eq!(end["status"], "completed", "{end:#}");
    let expected = ["_tenantsdb", "adults", "log", "renamed", "users"];
    for tenant in [early, blueprint.tenant("new")] {
        assert_eq!(tenant.collections(), expected, "{}", tenant.name);
        assert_eq!(names_of_indexes(&tenant, "users"), ["_id_", "email_1"]);
    }
}

#[test]
fn what_mongoose_makes_is_captured_once() {
    let blueprint = Blueprint::start("mongo_capture_mongoose");
    for _ in 0..2 {
        let run = node::run("mongoose", &[&blueprint.workspace.url(""), "", "yes", "x"]);
        assert_eq!(run.out(), "ok");
        blueprint
            .workspace
            .run(doc! {"delete": "users", "deletes": [{"q": {}, "limit": 0}]});
    }
    let pending = blueprint.pending();
    // Its two indexes come in one command or in two.
    let text = pending.join("\n");
    assert_eq!(text.matches("\"create\"").count(), 2, "{text}");
    assert_eq!(text.matches("_1\"").count(), 2, "{text}");
}

#[test]
fn commands_while_control_is_away_are_in_the_diff_afterwards() {
    let mut blueprint = Blueprint::start("mongo_capture_away");
    blueprint.workspace.run(doc! {"create": "a"});
    blueprint.fleet.control.kill();
    blueprint.workspace.run(doc! {"create": "b"});
    blueprint.workspace.run(index("b", "n", false));
    blueprint.fleet.control.resume();
    let pending = wait::until("all of it to be in the diff", || {
        let pending = blueprint.pending();
        (pending.len() >= 3).then_some(pending)
    });
    assert_eq!(pending.len(), 3, "{pending:#?}");
}

/// A proxy is killed while commands run, over and over: what a client was told is there, and what
/// is there is in the diff, once.
#[test]
fn a_proxy_killed_at_any_moment_loses_nothing() {
    let mut blueprint = Blueprint::start("mongo_capture_kill");
    blueprint.workspace.run(doc! {"create": "c"});
    let mut told = vec!["_id_".to_owned()];
    for round in 0..6 {
        let workspace = blueprint.workspace.clone();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let client = std::thread::spawn(move || {
            let mut done = Vec::new();
            let Ok(mut wire) = workspace.try_wire() else {
                return done;
            };
            for n in 0..10 {
                let field = format!("r{round}n{n}");
                let mut command = index("c", &field, false);
                command.insert("$db", &workspace.name);
                if wire.run(&command).is_err() {
                    break;
                }
                done.push(format!("{field}_1"));
                counted.fetch_add(1, Ordering::Relaxed);
            }
            done
        });
        // Not before it has done something: a busy machine takes its time.
        wait::until("the client to get under way", || {
            (count.load(Ordering::Relaxed) > 0 || client.is_finished()).then_some(())
        });
        std::thread::sleep(std::time::Duration::from_millis(7 * round));
        blueprint.fleet.proxies[0].kill();
        told.extend(client.join().unwrap());
        blueprint.fleet.proxies[0].resume();
    }
    assert!(told.len() > 6, "nothing was done: {told:?}");
    let there = names_of_indexes(&blueprint.workspace, "c");
    let lost: Vec<_> = told.iter().filter(|name| !there.contains(name)).collect();
    assert!(lost.is_empty(), "told and not there: {lost:?}");
    // Each is in the diff, once, when the last that nobody was told of has been looked for.
    let pending = wait::until("the diff to have all of it", || {
        let pending = blueprint.pending();
        (pending.len() >= there.len()).then_some(pending)
    });
    assert_eq!(pending.len(), there.len(), "{pending:#?} is not {there:#?}");
    let acme = blueprint.tenant("acme");
    assert_eq!(names_of_indexes(&acme, "c"), there);
}
