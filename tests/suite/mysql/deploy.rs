//! A version reaches every tenant exactly once, whatever fails or is killed on the way; and what
//! cannot be known is said to need a person.

use std::thread;

use serde_json::Value;
use tenantsdb_tests::mysql::tap::{Plan, Tap};
use tenantsdb_tests::mysql::{Database, Flavour, Server};
use tenantsdb_tests::{MySqlFleet, wait};

use super::Blueprint;

on_both!(
    two_hundred_tenants_get_each_version_once,
    a_control_killed_in_a_deployment_goes_on_where_it_was,
    a_statement_whose_end_is_unknown_is_looked_for_in_the_schema,
    a_marker_that_says_otherwise_stops_everything,
);

/// Threads that make tenants.
const MAKERS: usize = 4;

fn name(n: usize) -> String {
    format!("t{n:03}")
}

fn make_tenants(blueprint: &Blueprint, count: usize) {
    thread::scope(|scope| {
        for maker in 0..MAKERS {
            scope.spawn(move || {
                for n in (maker..count).step_by(MAKERS) {
                    let _ = blueprint.tenant(&name(n));
                }
            });
        }
    });
}

fn database_of(blueprint: &Blueprint, n: usize) -> String {
    format!("{}__{}", blueprint.name, name(n))
}

/// Total, completed, failed, skipped.
fn counts(deployment: &Value) -> [u64; 4] {
    ["total", "completed", "failed", "skipped"].map(|key| deployment[key].as_u64().unwrap())
}

fn result_of<'a>(deployment: &'a Value, tenant: &str) -> &'a Value {
    let results = deployment["results"].as_array().unwrap();
    let found = results.iter().find(|result| result["tenant"] == tenant);
    found.unwrap_or_else(|| panic!("no result for {tenant}: {deployment:#}"))
}

fn deploy(blueprint: &Blueprint) -> Value {
    blueprint
        .fleet
        .deployed(&blueprint.fleet.deploy(&blueprint.name))
}

/// Holds that every tenant has the same columns, and that each step in its marker is done; the
/// columns.
fn same_everywhere(blueprint: &Blueprint, count: usize) -> Vec<Vec<String>> {
    let mut admin = blueprint.fleet.server.admin();
    let mut first = None;
    for n in 0..count {
        let database = database_of(blueprint, n);
        let columns = admin.rows(&format!("SHOW COLUMNS FROM {database}.users"));
        let steps = admin.rows(&format!(
            "SELECT ordinal, step, state FROM {database}._tenantsdb ORDER BY ordinal, step"
        ));
        assert!(
            steps.iter().all(|step| step[2] == "done"),
            "{database}: {steps:?}"
        );
        let all = first.get_or_insert_with(|| columns.clone());
        assert_eq!(*all, columns, "{database}");
    }
    first.expect("at least one")
}

const TENANTS: usize = 200;
const BROKEN: [usize; 3] = [17, 99, 163];

fn two_hundred_tenants_get_each_version_once(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_deploy", flavour);
    blueprint.workspace.run("CREATE TABLE users (id INT)");
    make_tenants(&blueprint, TENANTS);
    let mut admin = blueprint.fleet.server.admin();
    for n in BROKEN {
        let database = database_of(&blueprint, n);
        admin.query(&format!(
            "ALTER TABLE {database}.users ADD COLUMN phone INT"
        ));
    }
    let ddl = "ALTER TABLE users ADD COLUMN phone TEXT";
    blueprint.workspace.run(ddl);
    let pending = blueprint.fleet.pending(&blueprint.name);
    assert_eq!(pending, [("1.2".to_owned(), ddl.to_owned())]);

    let end = deploy(&blueprint);
    assert_eq!(end["status"], "failed", "{end:#}");
    assert_eq!(
        counts(&end),
        [200, 197, 3, 0],
        "{:#}",
        result_of(&end, &name(17))
    );
    for n in BROKEN {
        let result = result_of(&end, &name(n));
        assert_eq!(result["from_version"], "1.1");
        let error = result["error"].to_string();
        assert!(error.contains("Duplicate column name 'phone'"), "{error}");
        let database = database_of(&blueprint, n);
        admin.query(&format!("ALTER TABLE {database}.users DROP COLUMN phone"));
    }
    assert_eq!(blueprint.fleet.pending(&blueprint.name).len(), 1);

    let end = deploy(&blueprint);
    assert_eq!(end["status"], "completed", "{end:#}");
    assert_eq!(counts(&end), [200, 3, 0, 197]);
    assert_eq!(blueprint.fleet.pending(&blueprint.name), []);
    assert_eq!(same_everywhere(&blueprint, TENANTS).len(), 2);
}

const FIFTY: usize = 50;
/// Tenants that are done when control is killed, or a few more.
const MIDDLE: u64 = 12;

fn a_control_killed_in_a_deployment_goes_on_where_it_was(flavour: Flavour) {
    let mut blueprint = Blueprint::start("mysql_deploy_kill", flavour);
    blueprint.workspace.run("CREATE TABLE users (id INT)");
    make_tenants(&blueprint, FIFTY);
    for version in 2.. {
        // Several statements, so that most kills meet a version half done.
        for part in ["a", "b", "c"] {
            let ddl = format!("ALTER TABLE users ADD COLUMN {part}{version} INT DEFAULT 7");
            blueprint.workspace.run(&ddl);
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
        assert_eq!(end["failed"], 0, "{end:#}");
        let columns = same_everywhere(&blueprint, FIFTY).len();
        assert_eq!(columns, 1 + 3 * (version - 1));
        // Killed after its end, which a slow look may do: then it was no proof; once more.
        if completed < FIFTY as u64 {
            println!("control was killed after {completed} of {FIFTY} tenants");
            return;
        }
    }
}

/// A blueprint whose control reaches the server through a relay.
struct Tapped {
    blueprint: Blueprint,
    tap: Tap,
    acme: Database,
}

impl Tapped {
    fn start(test: &str, flavour: Flavour) -> Self {
        let server = Server::shared(flavour);
        let tap = Tap::start(&server.address());
        let fleet = MySqlFleet::through(test, server, 1, tap.address());
        let blueprint = Blueprint::of(fleet);
        blueprint.workspace.run("CREATE TABLE users (id INT)");
        let acme = blueprint.tenant("acme");
        Self {
            blueprint,
            tap,
            acme,
        }
    }

    fn columns(&self) -> usize {
        let sql = "SELECT COUNT(*) FROM information_schema.columns \
                   WHERE table_schema = DATABASE() AND table_name = 'users'";
        let server = self.blueprint.fleet.server.address();
        self.acme.at(&server).one(sql).parse().unwrap()
    }

    fn kill_control(&mut self) {
        self.blueprint.fleet.control.kill();
        self.tap.forget();
        self.blueprint.fleet.control.resume();
    }
}

/// Control is killed with the statement sent, and nothing known of it: once where it has run, once
/// where it has not.
fn a_statement_whose_end_is_unknown_is_looked_for_in_the_schema(flavour: Flavour) {
    let mut tapped = Tapped::start("mysql_deploy_unknown", flavour);
    // A template is built of a version first, with the same text: that must not be held.
    for (n, has_run) in [(1, true), (2, false)] {
        let ddl = format!("ALTER TABLE users ADD COLUMN c{n} INT");
        tapped.blueprint.workspace.run(&ddl);
        // Made at the newest version: the template is there then.
        let _ = tapped.blueprint.tenant(&format!("other{n}"));
        tapped.tap.plan(match has_run {
            true => Plan::HoldReply(ddl),
            false => Plan::HoldRequest(ddl),
        });
        let id = tapped.blueprint.fleet.deploy(&tapped.blueprint.name);
        tapped.tap.wait_met();
        if has_run {
            wait::until("the statement to run", || {
                (tapped.columns() == 1 + n).then_some(())
            });
        } else {
            assert_eq!(tapped.columns(), n);
        }
        tapped.kill_control();
        let end = tapped.blueprint.fleet.deployed(&id);
        assert_eq!(end["status"], "completed", "{end:#}");
        assert_eq!(tapped.columns(), 1 + n);
    }
}

/// Tenants can write into their marker: what it says is believed only where control knows better.
fn a_marker_that_says_otherwise_stops_everything(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_deploy_marker", flavour);
    blueprint.workspace.run("CREATE TABLE users (id INT)");
    let [gone, ahead, fine] = ["gone", "ahead", "fine"].map(|name| blueprint.tenant(name));
    let mut admin = blueprint.fleet.server.admin();
    admin.query(&format!(
        "DELETE FROM {}._tenantsdb WHERE ordinal = 1",
        gone.name
    ));
    admin.query(&format!(
        "INSERT INTO {}._tenantsdb (ordinal, step, state) VALUES (9, 0, 'done')",
        ahead.name
    ));
    blueprint
        .workspace
        .run("ALTER TABLE users ADD COLUMN phone TEXT");
    let end = deploy(&blueprint);
    assert_eq!(end["status"], "failed", "{end:#}");
    for tenant in ["gone", "ahead"] {
        let result = result_of(&end, tenant);
        assert_eq!(result["status"], "needs_attention", "{result:#}");
    }
    assert_eq!(result_of(&end, "fine")["status"], "completed", "{end:#}");
    // Nothing was replayed there.
    for tenant in [&gone, &ahead] {
        assert_eq!(
            tenant.session().fails("SELECT phone FROM users").number,
            1054
        );
    }
    assert_eq!(fine.one("SELECT COUNT(phone) FROM users"), "0");
}
