//! The clients that people use work through the proxy unmodified, in plain TCP and over TLS with
//! the proxy's certificate verified, however they are told to find servers; each tenant sees its
//! own.

use std::path::Path;
use std::thread;

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use tenantsdb_tests::mongo::{Database, Server, database, programs};
use tenantsdb_tests::{Run, mongo, node};

use super::Blueprint;

/// Ways to say how servers are found: an application has the first.
const TOPOLOGIES: [&str; 3] = ["", "directConnection=true", "loadBalanced=true"];

fn authority(ca: Option<&Path>) -> &str {
    ca.map_or("", |path| path.to_str().unwrap())
}

/// By name where the certificate is checked.
fn url(login: &Database, options: &str, ca: Option<&Path>) -> String {
    let url = login.url(options);
    match ca {
        Some(_) => url.replace("127.0.0.1", "localhost"),
        None => url,
    }
}

/// Runs every driver for a login; the complaints.
fn run_drivers(login: &Database, options: &str, ca: Option<&Path>, value: &str) -> Vec<String> {
    let url = url(login, options, ca);
    let mut failed = Vec::new();
    let mut judge = |run: Run| {
        if run.stdout != "ok" {
            failed.push(format!("{options} {run}"));
        }
        let users = login.find("users");
        if users != [doc! {"_id": 1, "name": value}] {
            failed.push(format!("{}: {users:?}", run.command));
        }
        // For the next driver, which expects to find nothing.
        login.run(doc! {"drop": "users"});
    };
    judge(node::run("mongodb", &[&url, authority(ca), value]));
    judge(node::run("mongoose", &[&url, authority(ca), "no", value]));
    if let Err(e) = database::runtime().block_on(rust_driver(login, options, ca, value)) {
        failed.push(format!("the Rust driver, {options}: {e:?}"));
    }
    failed
}

/// The crate `mongodb`.
async fn rust_driver(
    login: &Database,
    options: &str,
    ca: Option<&Path>,
    value: &str,
) -> Result<(), Error> {
    let client = login.client(options, ca).await?;
    let db = client.database(&login.name);
    let users = db.collection::<Document>("users");
    assert_eq!(users.count_documents(doc! {}).await?, 0);
    users.insert_one(doc! {"_id": 1, "name": value}).await?;
    let numbers = db.collection::<Document>("numbers");
    let many = (0..1000).map(|n| doc! {"_id": n, "n": n});
    numbers.insert_many(many).await?;
    let cursor = numbers
        .find(doc! {})
        .sort(doc! {"n": 1})
        .batch_size(7)
        .await?;
    let found: Vec<Document> = cursor.try_collect().await?;
    let found: Vec<i32> = found.iter().map(|one| one.get_i32("n").unwrap()).collect();
    assert_eq!(found, (0..1000).collect::<Vec<_>>());
    let mut session = client.start_session().await?;
    session.start_transaction().await?;
    numbers
        .update_one(doc! {"_id": 1}, doc! {"$set": {"n": -1}})
        .session(&mut session)
        .await?;
    let outside = numbers.find_one(doc! {"_id": 1}).await?.unwrap();
    assert_eq!(outside.get_i32("n").unwrap(), 1);
    session.commit_transaction().await?;
    assert!(numbers.find_one(doc! {"n": -1}).await?.is_some());
    let error = users.insert_one(doc! {"_id": 1}).await.unwrap_err();
    assert_eq!(mongo::Failed::from(error).code, 11000);
    numbers.drop().await?;
    let found = users.find_one_and_delete(doc! {"_id": 1}).await?;
    assert_eq!(found.unwrap(), doc! {"_id": 1, "name": value});
    users.drop().await?;
    Ok(())
}

/// What the scripts expect is what the server does, or they would say nothing about the proxy.
#[test]
fn the_scripts_pass_at_the_server_itself() {
    let server = Server::shared();
    let name = mongo::blueprint();
    let login = server.admin(&name);
    let failed = run_drivers(&login, "", None, "at-the-server");
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn each_driver_sees_its_own_however_it_finds_servers() {
    let blueprint = Blueprint::start("mongo_clients");
    let tenants = ["acme", "globex"].map(|name| blueprint.tenant_with_ddl(name));
    let ca = blueprint.fleet.proxies[0].ca();
    for options in TOPOLOGIES {
        for ca in [None, Some(ca.as_path())] {
            // At once: each expects to be alone.
            let failed: Vec<String> = thread::scope(|scope| {
                let runs = tenants.each_ref().map(|login| {
                    let value = format!("of-{}", login.name);
                    scope.spawn(move || run_drivers(login, options, ca, &value))
                });
                runs.into_iter()
                    .flat_map(|run| run.join().unwrap())
                    .collect()
            });
            assert!(failed.is_empty(), "{}", failed.join("\n\n"));
        }
    }
}

#[test]
fn the_shell_works_in_the_workspace_and_in_a_tenant() {
    let blueprint = Blueprint::start("mongo_shell");
    let home = blueprint.fleet.dir().join("home");
    let shell = |login: &Database, options: &str, script: &str| {
        programs::shell(&login.url(options), &home, script)
    };
    let script = "db.createCollection('users');
        print(db.users.createIndex({email: 1}, {unique: true}));";
    assert_eq!(shell(&blueprint.workspace, "", script).out(), "email_1");
    let acme = blueprint.tenant("acme");
    for options in TOPOLOGIES {
        let script = "db.users.insertOne({email: 'ada@example.org'}).acknowledged;
            print(db.users.find().map(u => u.email).toArray().join(), db.users.getIndexes().length);
            db.users.deleteMany({}).deletedCount";
        let printed = shell(&acme, options, script).out();
        assert_eq!(printed, "ada@example.org 2\n1", "{options}");
    }
    let refused = shell(&acme, "", "db.users.createIndex({name: 1})").error();
    assert!(refused.contains("--allow-ddl"), "{refused}");
    let ca = blueprint.fleet.proxies[0].ca();
    let options = format!("tls=true&tlsCAFile={}", ca.display());
    let url = url(&acme, &options, Some(&ca));
    let run = programs::shell(&url, &home, "db.runCommand({ping: 1}).ok");
    assert_eq!(run.out(), "1");
}

/// With autoIndex a model makes its indexes wherever it is loaded: in the workspace that is a
/// version of the blueprint, in a tenant it is refused.
#[test]
fn mongoose_makes_its_indexes_in_the_workspace() {
    let blueprint = Blueprint::start("mongo_mongoose");
    let workspace = blueprint.workspace.url("");
    let made = node::run("mongoose", &[&workspace, "", "yes", "in-the-workspace"]);
    assert_eq!(made.out(), "ok");
    let acme = blueprint.tenant("acme");
    assert_eq!(acme.collections(), ["_tenantsdb", "orders", "users"]);
    let indexes = database::batch(&acme.run(doc! {"listIndexes": "users"}));
    let mut names: Vec<&str> = indexes.iter().map(|i| i.get_str("name").unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["_id_", "email_1", "name_1"]);
    let tenant = acme.url("");
    let refused = node::run("mongoose", &[&tenant, "", "yes", "x"]).out();
    assert!(refused.starts_with("refused 13"), "{refused}");
    let without = node::run("mongoose", &[&tenant, "", "no", "in-a-tenant"]);
    assert_eq!(without.out(), "ok");
    assert_eq!(acme.find("users"), [doc! {"_id": 1, "name": "in-a-tenant"}]);
}
