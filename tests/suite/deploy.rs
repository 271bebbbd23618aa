//! A version reaches every tenant exactly once, whatever fails or is killed on the way.

use std::thread;
use std::time::Instant;

use serde_json::Value;
use tenantsdb_tests::{Database, Fleet, wait};

const TENANTS: usize = 200;
/// Tenants that are done when control is killed, or a few more.
const MIDDLE: u64 = 50;
/// Threads that make tenants, and tenants that are made to fail.
const MAKERS: usize = 4;
const BROKEN: [usize; 3] = [17, 99, 163];

#[test]
fn two_hundred_tenants_get_each_version_once() {
    let mut fleet = Fleet::start("deploy", 1);
    let workspace = fleet.workspace("myapp");
    workspace.psql("CREATE TABLE users (id int)").ok();
    make_tenants(&fleet);

    three_fail_and_the_rest_is_deployed(&fleet, &workspace);
    the_mended_are_deployed_and_the_done_are_skipped(&fleet);
    assert_eq!(versions_everywhere(&fleet), [0, 1, 2]);

    let last = control_is_killed_in_the_middle(&mut fleet, &workspace);
    let expected: Vec<i32> = (0..=last).collect();
    assert_eq!(versions_everywhere(&fleet), expected);
}

fn name(n: usize) -> String {
    format!("t{n:03}")
}

fn make_tenants(fleet: &Fleet) {
    thread::scope(|scope| {
        for maker in 0..MAKERS {
            scope.spawn(move || {
                for n in (maker..TENANTS).step_by(MAKERS) {
                    let _ = fleet.tenant("myapp", &name(n));
                }
            });
        }
    });
}

fn admin_in_broken(fleet: &Fleet, sql: &str) {
    for n in BROKEN {
        let mut admin = fleet.server.admin(&format!("myapp__{}", name(n)));
        admin.batch_execute(sql).unwrap();
    }
}

fn three_fail_and_the_rest_is_deployed(fleet: &Fleet, workspace: &Database) {
    admin_in_broken(fleet, "ALTER TABLE users ADD COLUMN phone int");
    let ddl = "ALTER TABLE users ADD COLUMN phone text";
    workspace.psql(ddl).ok();
    let pending = fleet.pending("myapp");
    assert_eq!(pending, [("1.2".to_owned(), ddl.to_owned())]);

    let start = Instant::now();
    let end = fleet.deployed(&fleet.deploy("myapp"));
    let seconds = start.elapsed().as_secs_f64();
    println!("deployed to {TENANTS} tenants in {seconds:.2} s");

    assert_eq!(end["status"], "failed", "{end:#}");
    assert_eq!(counts(&end), [200, 197, 3, 0]);
    for n in BROKEN {
        let result = result_of(&end, &name(n));
        assert_eq!(result["status"], "failed");
        assert_eq!(result["from_version"], "1.1");
        let error = result["error"].to_string();
        let text = "column \\\"phone\\\" of relation \\\"users\\\" already exists";
        assert!(error.contains(text), "{error}");
    }
    // What some tenant lacks is still pending.
    assert_eq!(fleet.pending("myapp").len(), 1);
}

fn the_mended_are_deployed_and_the_done_are_skipped(fleet: &Fleet) {
    admin_in_broken(fleet, "ALTER TABLE users DROP COLUMN phone");
    let end = fleet.deployed(&fleet.deploy("myapp"));
    assert_eq!(end["status"], "completed", "{end:#}");
    assert_eq!(counts(&end), [200, 3, 0, 197]);
    assert_eq!(fleet.pending("myapp"), []);
}

/// The version that the last deployment brought.
fn control_is_killed_in_the_middle(fleet: &mut Fleet, workspace: &Database) -> i32 {
    for version in 3.. {
        let ddl = format!("ALTER TABLE users ADD COLUMN c{version} int DEFAULT 7");
        workspace.psql(&ddl).ok();
        let id = fleet.deploy("myapp");
        let completed = wait::until("the deployment to get under way", || {
            let completed = fleet.deployment(&id)["completed"].as_u64()?;
            (completed >= MIDDLE).then_some(completed)
        });
        fleet.control.kill();
        fleet.control.resume();
        let end = fleet.deployed(&id);
        assert_eq!(end["status"], "completed", "{end:#}");
        assert_eq!(end["failed"], 0, "{end:#}");
        // Killed after its end, which a slow look may do: then it was no proof; once more.
        if completed < 200 {
            println!("control was killed after {completed} of {TENANTS} tenants");
            return version;
        }
    }
    unreachable!("there is always another version")
}

/// Total, completed, failed, skipped.
fn counts(deployment: &Value) -> [u64; 4] {
    ["total", "completed", "failed", "skipped"].map(|key| deployment[key].as_u64().unwrap())
}

fn result_of<'a>(deployment: &'a Value, tenant: &str) -> &'a Value {
    let results = deployment["results"].as_array().unwrap();
    let found = results.iter().find(|result| result["tenant"] == tenant);
    found.unwrap_or_else(|| panic!("no result for {tenant}"))
}

/// The version rows that every tenant has; the same in all.
fn versions_everywhere(fleet: &Fleet) -> Vec<i32> {
    let mut first = None;
    for n in 0..TENANTS {
        let database = format!("myapp__{}", name(n));
        let mut admin = fleet.server.admin(&database);
        let rows = admin
            .query(
                "SELECT ordinal FROM tenantsdb.version ORDER BY ordinal",
                &[],
            )
            .unwrap();
        let versions: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        let first = first.get_or_insert_with(|| versions.clone());
        assert_eq!(*first, versions, "{database}");
    }
    first.unwrap()
}
