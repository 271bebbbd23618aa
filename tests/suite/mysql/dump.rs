//! A workspace, a tenant made from it and a tenant that was deployed to step by step have the same
//! schema.

use tenantsdb_tests::mysql::server::{ADMIN, ADMIN_PASSWORD};
use tenantsdb_tests::mysql::{self, Cli, Database, Flavour, Server, cli};
use tenantsdb_tests::{MySqlFleet, node, paths, python};

use super::Blueprint;

on_both!(
    the_schemas_are_what_the_servers_take,
    workspace_new_tenant_and_deployed_tenant_dump_alike,
    django_migrations_reach_tenants,
    knex_migrations_reach_tenants,
    a_tenant_can_dump_itself,
);

/// The schema of a database as text that is equal for equal schemas. Made by an administrator at
/// the server: a tenant may not see the text of triggers and events.
///
/// Three things are taken out. DEFINER: in the workspace that is who wrote the object, in a tenant
/// the account that owns the tenant's objects. AUTO_INCREMENT=n of tables: the workspace has had
/// rows. The database's own name.
fn schema(fleet: &MySqlFleet, database: &Database) -> String {
    let server = &fleet.server;
    let admin = server.login_of(ADMIN, ADMIN_PASSWORD, &database.name);
    let marker = format!("--ignore-table={}._tenantsdb", database.name);
    let options = [
        "--no-data",
        "--routines",
        "--events",
        "--triggers",
        "--skip-comments",
        &marker,
    ];
    // Tables that migration tools keep for themselves are in no tenant.
    let ignored: Vec<String> = HISTORY
        .iter()
        .map(|table| format!("--ignore-table={}.{table}", database.name))
        .collect();
    let options: Vec<&str> = options
        .into_iter()
        .chain(ignored.iter().map(String::as_str))
        .collect();
    let dump = cli::dump(server.flavour, &admin, &options).out();
    let dump = dump.replace(&database.name, "DATABASE");
    let lines = dump.lines().map(|line| {
        let line = without(line, "DEFINER=", "@`%`");
        without(&line, " AUTO_INCREMENT=", " ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

const HISTORY: &[&str] = &[
    "django_migrations",
    "knex_migrations",
    "knex_migrations_lock",
];

/// A line without what stands from `start` to the next `end`, as often as it stands there; a blank
/// at the end is kept.
fn without(line: &str, start: &str, end: &str) -> String {
    let mut line = line.to_owned();
    while let Some(at) = line.find(start) {
        let length = line[at + start.len()..]
            .find(end)
            .map_or(0, |n| n + end.trim_end().len());
        line.replace_range(at..at + start.len() + length, "");
    }
    line
}

/// Holds that a tenant that was brought forward and one that is made now have the workspace's
/// schema.
#[track_caller]
fn all_alike(blueprint: &Blueprint, early: &Database) -> String {
    let fleet = &blueprint.fleet;
    let new = blueprint.tenant("new");
    let expected = schema(fleet, &blueprint.workspace);
    for tenant in [&new, early] {
        let dumped = schema(fleet, tenant);
        if dumped != expected {
            let differ = expected.lines().zip(dumped.lines()).find(|(a, b)| a != b);
            panic!(
                "{}: {differ:#?}\n{expected}\n--- is not ---\n{dumped}",
                tenant.name
            );
        }
    }
    expected
}

#[track_caller]
fn deploy(blueprint: &Blueprint) {
    let end = blueprint
        .fleet
        .deployed(&blueprint.fleet.deploy(&blueprint.name));
    assert_eq!(end["status"], "completed", "{end:#}");
}

fn import(flavour: Flavour, database: &Database, file: &str) {
    let file = paths::repository().join("tests/schemas/mysql").join(file);
    let script = std::fs::read_to_string(file).unwrap();
    Cli(flavour).import(database, &script).ok();
}

/// At the server itself, or a failure would say nothing about capture.
fn the_schemas_are_what_the_servers_take(flavour: Flavour) {
    let database = |name: &str| Server::shared(flavour).database(name);
    let shop = database(&mysql::blueprint());
    for file in [
        "shop-1.sql",
        "shop-2.sql",
        &format!("{}.sql", flavour.name()),
    ] {
        import(flavour, &shop, file);
    }
    let (django, knex) = (database(&mysql::blueprint()), database(&mysql::blueprint()));
    for stage in ["1", "2"] {
        let run = python::run("mysql/django_migrate", &arguments(&django, stage));
        assert_eq!(run.out(), "ok");
        assert_eq!(
            node::run("knex_migrate", &arguments(&knex, stage)).out(),
            "ok"
        );
    }
}

fn workspace_new_tenant_and_deployed_tenant_dump_alike(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_dump", flavour);
    let early = blueprint.tenant("early");
    import(flavour, &blueprint.workspace, "shop-1.sql");
    deploy(&blueprint);
    // Rows in the way of what comes.
    early.run(
        "INSERT INTO countries VALUES ('de', 'Deutschland');
         INSERT INTO customers (email, country) VALUES ('ada@example.org', 'de');
         INSERT INTO orders (customer_id, total, placed_at) VALUES (1, 12.50, NOW());
         INSERT INTO visits VALUES (1, '2026-03-01', '/')",
    );
    import(flavour, &blueprint.workspace, "shop-2.sql");
    import(
        flavour,
        &blueprint.workspace,
        &format!("{}.sql", flavour.name()),
    );
    deploy(&blueprint);
    let dump = all_alike(&blueprint, &early);
    let kinds = [
        "CREATE TABLE",
        "TRIGGER",
        "PROCEDURE",
        "FUNCTION",
        "EVENT",
        " KEY ",
        "VIEW",
    ];
    let count = |kind| dump.lines().filter(|line| line.contains(kind)).count();
    let objects: usize = kinds.into_iter().map(count).sum();
    assert!(objects >= 40, "{objects} objects in\n{dump}");
    assert_eq!(early.one("SELECT COUNT(*) FROM customers JOIN orders"), "1");
    assert_eq!(early.one("SELECT what FROM audit"), "order 1");
}

fn arguments<'a>(workspace: &'a Database, stage: &'a str) -> [&'a str; 7] {
    let (host, port) = workspace.host_port();
    let Database {
        user,
        password,
        name,
        ..
    } = workspace;
    [host, port, user, password, name, "", stage]
}

fn django_migrations_reach_tenants(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_dump_django", flavour);
    let early = blueprint.tenant("early");
    for stage in ["1", "2"] {
        let arguments = arguments(&blueprint.workspace, stage);
        assert_eq!(python::run("mysql/django_migrate", &arguments).out(), "ok");
        deploy(&blueprint);
    }
    let dump = all_alike(&blueprint, &early);
    assert!(dump.contains("`much_later`"), "{dump}");
}

fn knex_migrations_reach_tenants(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_dump_knex", flavour);
    let early = blueprint.tenant("early");
    for stage in ["1", "2"] {
        let arguments = arguments(&blueprint.workspace, stage);
        assert_eq!(node::run("knex_migrate", &arguments).out(), "ok");
        deploy(&blueprint);
    }
    let dump = all_alike(&blueprint, &early);
    assert!(dump.contains("`drafts`"), "{dump}");
}

/// With its own login and through the proxy, as a backup is made.
fn a_tenant_can_dump_itself(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_dump_self", flavour);
    blueprint.workspace.run(
        "CREATE TABLE items (id INT PRIMARY KEY, body TEXT); \
         CREATE VIEW some AS SELECT id FROM items",
    );
    let acme = blueprint.tenant("acme");
    acme.run("INSERT INTO items VALUES (1, 'ü🦀')");
    let options = ["--single-transaction", "--skip-triggers"];
    let dump = cli::dump(flavour, &acme, &options).out();
    assert!(
        dump.contains("INSERT INTO `items` VALUES\n(1,'ü🦀')") || dump.contains("(1,'ü🦀')"),
        "{dump}"
    );
    let options = ["--skip-triggers", "--lock-tables"];
    cli::dump(flavour, &acme, &options).ok();
}
