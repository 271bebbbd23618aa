//! A workspace, a tenant made from it and a tenant that was deployed to step by step have the same
//! schema.

use tenantsdb_tests::{Database, Fleet, dump, paths};

fn import(workspace: &Database, file: &str) {
    let file = paths::repository().join("tests/schemas").join(file);
    workspace.psql_with(&["-f", file.to_str().unwrap()]).ok();
}

#[test]
fn workspace_new_tenant_and_deployed_tenant_dump_alike() {
    let fleet = Fleet::start("dump", 1);
    let workspace = fleet.workspace("myapp");
    // Made while the blueprint is empty, and brought forward in two deployments.
    let stepped = fleet.tenant("myapp", "stepped");
    import(&workspace, "shop-1.sql");
    deploy(&fleet);
    let halfway = fleet.tenant("myapp", "halfway");
    import(&workspace, "shop-2.sql");
    deploy(&fleet);
    let fresh = fleet.tenant("myapp", "fresh");

    let expected = schema(&fleet, &workspace);
    for kind in KINDS {
        let found = expected.contains(&format!("; Type: {kind};"));
        assert!(found, "no {kind} in the workspace's dump:\n{expected}");
    }
    for tenant in [&stepped, &halfway, &fresh] {
        let dump = schema(&fleet, tenant);
        assert!(dump == expected, "{}", first_difference(&expected, &dump));
    }
    // And the tenants can use it.
    fresh
        .psql("INSERT INTO customers (email) VALUES ('ada@globex.example')")
        .ok();
    stepped.psql("INSERT INTO stock.items VALUES ('a', 1)").ok();
}

fn deploy(fleet: &Fleet) {
    let end = fleet.deployed(&fleet.deploy("myapp"));
    assert_eq!(end["status"], "completed", "{end:#}");
}

fn schema(fleet: &Fleet, database: &Database) -> String {
    dump::schema(&fleet.server.admin_url(&database.name))
}

fn first_difference(expected: &str, found: &str) -> String {
    let mut lines = expected.lines().zip(found.lines()).enumerate();
    match lines.find(|(_, (left, right))| left != right) {
        Some((n, (left, right))) => format!("line {n}: expected {left:?}, found {right:?}"),
        None => "one dump is longer than the other".to_owned(),
    }
}

/// As `pg_dump` names them.
const KINDS: &[&str] = &[
    "AGGREGATE",
    "COMMENT",
    "CONSTRAINT",
    "DOMAIN",
    "FK CONSTRAINT",
    "FUNCTION",
    "INDEX",
    "MATERIALIZED VIEW",
    "POLICY",
    "PROCEDURE",
    "RULE",
    "SCHEMA",
    "SEQUENCE",
    "STATISTICS",
    "TABLE",
    "TABLE ATTACH",
    "TRIGGER",
    "TYPE",
    "VIEW",
];
