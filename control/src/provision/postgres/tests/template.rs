use super::server::{Blueprint, Client, statement, versions};
use crate::blueprint::{Origin, Version};
use crate::provision::{Error, Fingerprint};

/// Objects of many kinds, in the order in which `pg_dump` would write them.
pub(super) const MANY_KINDS: &str = "
    CREATE EXTENSION citext;
    CREATE SCHEMA audit;
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TYPE point3 AS (x int, y int, z int);
    CREATE DOMAIN email AS citext CHECK (VALUE LIKE '%@%');
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.at := now(); RETURN NEW; END; $$;
    CREATE TABLE users (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text COLLATE \"C\" NOT NULL, mail email UNIQUE, feeling mood DEFAULT 'ok',
        at timestamptz, lower_name text GENERATED ALWAYS AS (lower(name)) STORED);
    CREATE TABLE orders (
        id serial PRIMARY KEY, user_id int NOT NULL REFERENCES users ON DELETE CASCADE,
        total numeric(10, 2) CHECK (total > 0)) WITH (fillfactor = 70);
    CREATE TABLE audit.log (id bigserial, day date NOT NULL, line text) PARTITION BY RANGE (day);
    CREATE TABLE audit.log_2026 PARTITION OF audit.log
        FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE INDEX orders_large ON orders (user_id) WHERE total > 100;
    CREATE VIEW big_orders AS SELECT * FROM orders WHERE total > 100;
    CREATE MATERIALIZED VIEW totals AS SELECT user_id, sum(total) FROM orders GROUP BY 1;
    CREATE TRIGGER stamp BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION stamp();
    CREATE RULE no_delete AS ON DELETE TO audit.log DO INSTEAD NOTHING;
    ALTER TABLE users ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON users USING (name = current_user);
    CREATE STATISTICS pairs ON id, user_id FROM orders;
    CREATE SEQUENCE tickets START 100 INCREMENT 5;
    CREATE AGGREGATE longest(text) (SFUNC = textcat, STYPE = text);
    CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq);
    CREATE CAST (point3 AS text) WITH INOUT;
    CREATE COLLATION plain (LOCALE = 'C');
    COMMENT ON TABLE users IS 'who';
    COMMENT ON COLUMN users.mail IS 'where';";

async fn fingerprint(blueprint: &Blueprint, database: &str) -> Fingerprint {
    blueprint.provisioner.fingerprint(database).await.unwrap()
}

#[tokio::test]
async fn workspace_new_tenant_and_deployed_tenant_have_one_schema() {
    let blueprint = Blueprint::new("same").await;
    let mut dev = blueprint.workspace().await;
    let _first = blueprint.tenant("first", &[]).await;
    for sql in MANY_KINDS
        .split(";\n")
        .flat_map(|part| part.split_inclusive("END; $$"))
    {
        // One message each, as psql sends a file.
        if !sql.trim().is_empty() {
            dev.run(sql).await;
        }
    }
    dev.run("CREATE TABLE schema_migrations (v serial PRIMARY KEY); CREATE TABLE last (x int)")
        .await;
    let v = blueprint.versions(1).await;
    assert!(v.len() > 20);
    assert!(
        v.iter()
            .flat_map(|v| &v.statements)
            .all(|s| s.origin == Origin::Ledger)
    );
    blueprint.template(&v).await.unwrap();
    let newest = v.last().unwrap().ordinal;
    blueprint
        .provisioner
        .template_check("same", newest, "same_dev")
        .await
        .unwrap();
    let _second = blueprint.tenant("second", &v).await;
    let applied = blueprint.apply("first", &v).await.unwrap();
    assert_eq!((applied.from, applied.to), (0, newest));
    let workspace = fingerprint(&blueprint, "same_dev").await;
    assert_eq!(fingerprint(&blueprint, "same__first").await, workspace);
    assert_eq!(fingerprint(&blueprint, "same__second").await, workspace);
    let tables = blueprint.provisioner.tables("same__first").await.unwrap();
    let users = tables.iter().find(|table| table.name == "users").unwrap();
    assert_eq!(
        users.columns[0].default.as_deref(),
        Some("GENERATED ALWAYS AS IDENTITY")
    );
    assert_eq!(
        users.columns[3].default.as_deref(),
        Some("'ok'::public.mood")
    );
    assert!(!users.columns[1].nullable && users.columns[2].nullable);
    assert!(
        users
            .indexes
            .iter()
            .any(|index| index.name == "users_mail_key")
    );
}

#[tokio::test]
async fn each_difference_between_schemas_changes_the_fingerprint() {
    let blueprint = Blueprint::new("prints").await;
    let mut dev = blueprint.workspace().await;
    dev.run(MANY_KINDS).await;
    let mut last = fingerprint(&blueprint, "prints_dev").await;
    for sql in [
        "ALTER TYPE mood ADD VALUE 'happy'",
        "ALTER TABLE users ALTER COLUMN feeling DROP DEFAULT",
        "ALTER TABLE users DROP COLUMN at CASCADE",
        "ALTER TABLE orders ALTER COLUMN total SET NOT NULL",
        "ALTER TABLE orders DROP CONSTRAINT orders_total_check",
        "ALTER TABLE orders SET (fillfactor = 60)",
        "DROP INDEX orders_large",
        "CREATE OR REPLACE VIEW big_orders AS SELECT * FROM orders WHERE total > 200",
        "ALTER TABLE users DISABLE TRIGGER stamp",
        "ALTER TABLE users FORCE ROW LEVEL SECURITY",
        "ALTER POLICY own ON users USING (true)",
        "CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RETURN NULL; END; $$",
        "ALTER SEQUENCE tickets INCREMENT 7",
        "COMMENT ON TABLE users IS 'whoever'",
        "DROP STATISTICS pairs",
        "DROP CAST (point3 AS text)",
        "ALTER TABLE audit.log DETACH PARTITION audit.log_2026",
        "DROP AGGREGATE longest(text)",
        "CREATE SCHEMA empty",
    ] {
        dev.run(sql).await;
        let now = fingerprint(&blueprint, "prints_dev").await;
        assert_ne!(now, last, "{sql}");
        last = now;
    }
    for sql in [
        "GRANT SELECT ON users TO PUBLIC",
        "CREATE TABLE alembic_version (v serial PRIMARY KEY, w text UNIQUE)",
        "COMMENT ON TABLE alembic_version IS 'x'",
        "INSERT INTO orders (user_id, total) SELECT 1, 1 WHERE false",
        "CREATE TEMP TABLE scratch (x int)",
        "ALTER TABLE orders ADD COLUMN gone int; ALTER TABLE orders DROP COLUMN gone",
    ] {
        dev.run(sql).await;
        assert_eq!(fingerprint(&blueprint, "prints_dev").await, last, "{sql}");
    }
}

#[tokio::test]
async fn a_template_that_is_not_the_workspace_is_named_with_what_differs() {
    let blueprint = Blueprint::new("drift").await;
    let mut dev = blueprint.workspace().await;
    dev.run("CREATE TABLE t (x int)").await;
    let v = blueprint.versions(1).await;
    blueprint.template(&v).await.unwrap();
    // Past the event triggers.
    let mut admin = Client::admin("drift_dev").await;
    admin
        .run("SET session_replication_role = replica; CREATE TABLE sneaked (x int)")
        .await;
    let checked = blueprint
        .provisioner
        .template_check("drift", 1, "drift_dev")
        .await;
    let Err(Error::NotDeployable(names)) = checked else {
        panic!("{checked:?}");
    };
    assert_eq!(
        names,
        ["column public.sneaked.x", "relation public.sneaked"]
    );
    // The template was looked into, and is closed again.
    blueprint.tenant_with("acme", 1, false).await.unwrap();
}

#[tokio::test]
async fn a_version_that_cannot_be_replayed_leaves_no_template() {
    let blueprint = Blueprint::new("stuck").await;
    let v = versions(&[
        "CREATE TABLE t (x int)",
        "ALTER TABLE missing ADD COLUMN y int",
    ]);
    let built = blueprint.template(&v).await;
    let Err(Error::Replay {
        ordinal: 2,
        failure,
    }) = built
    else {
        panic!("{built:?}");
    };
    assert_eq!(failure.sqlstate.as_deref(), Some("42P01"));
    assert_eq!(
        failure.statement.as_deref(),
        Some("ALTER TABLE missing ADD COLUMN y int")
    );
    let mut admin = Client::admin("postgres").await;
    let left = "SELECT string_agg(datname::text, ' ') FROM pg_database WHERE datname LIKE 'stuck%'";
    assert_eq!(admin.value(left).await, "");
    // Mended, it goes through.
    blueprint
        .template(&versions(&["CREATE TABLE t (x int)"]))
        .await
        .unwrap();
}

#[tokio::test]
async fn two_templates_are_kept_and_what_a_crash_left_is_replaced() {
    let blueprint = Blueprint::new("kept").await;
    let v = versions(&[
        "CREATE TABLE a (x int)",
        "CREATE TABLE b (x int)",
        "CREATE TABLE c (x int)",
    ]);
    let mut admin = Client::admin("postgres").await;
    admin.run("CREATE DATABASE kept_template_building").await;
    for count in 0..=3 {
        blueprint.template(&v[..count]).await.unwrap();
    }
    let there = "SELECT string_agg(datname::text, ' ' ORDER BY datname) FROM pg_database \
                 WHERE datname LIKE 'kept%' AND datistemplate AND NOT datallowconn";
    assert_eq!(
        admin.value(there).await,
        "kept_template_1_2 kept_template_1_3"
    );
    let all = "SELECT count(*)::text FROM pg_database WHERE datname LIKE 'kept%'";
    assert_eq!(admin.value(all).await, "2");
}

#[tokio::test]
async fn each_version_is_replayed_in_its_own_transaction_with_its_search_path() {
    let blueprint = Blueprint::new("paths").await;
    let mut v = versions(&[
        "CREATE TYPE color AS ENUM ('red')",
        "ALTER TYPE color ADD VALUE 'blue'",
        "CREATE TABLE t (c color DEFAULT 'blue')",
        "CREATE SCHEMA inner_part",
        "CREATE INDEX CONCURRENTLY t_c ON t (c)",
    ]);
    let mut inner = statement("CREATE TABLE there (c color)");
    inner.search_path = "inner_part, public".to_owned();
    let mut granted = statement("GRANT SELECT ON there TO nobody_at_all");
    granted.deploy = false;
    v.push(Version {
        ordinal: 6,
        statements: vec![inner, granted],
    });
    let mut acme = blueprint.tenant("acme", &v).await;
    assert_eq!(
        acme.value("SELECT 'inner_part.there'::regclass::text")
            .await,
        "inner_part.there"
    );
    assert_eq!(
        acme.value("SELECT max(version) FROM tenantsdb.version")
            .await,
        "1.6"
    );
}
