use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::server::{Blueprint, Client, PASSWORD, admin_login, sqlstate, verifier, versions};
use crate::provision::{Error, Provisioner, ServerLogin, TenantSpec};
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::secret::Secret;

/// `insufficient_privilege`.
const DENIED: &str = "42501";

#[tokio::test]
async fn a_tenants_login_enters_its_own_database_and_no_other() {
    let blueprint = Blueprint::new("walls").await;
    blueprint.provisioner.register().await.unwrap();
    let _workspace = blueprint.workspace().await;
    let v = versions(&["CREATE TABLE t (a int)"]);
    let mut acme = blueprint.tenant("acme", &v).await;
    let _globex = blueprint.tenant("globex", &v).await;
    assert_eq!(
        acme.value("SELECT current_database()::text").await,
        "walls__acme"
    );
    for database in [
        "walls__globex",
        "walls_dev",
        "walls_template_1_1",
        "postgres",
        "template1",
        "template0",
    ] {
        let refused = Client::login(database, "walls__acme", PASSWORD).await;
        let error = refused
            .err()
            .unwrap_or_else(|| panic!("entered {database}"));
        let code = sqlstate(&error);
        assert!(
            [DENIED, "55000"].contains(&code.as_str()),
            "{database}: {code}"
        );
    }
}

#[tokio::test]
async fn a_tenants_login_has_rights_on_data_and_not_on_the_schema() {
    let blueprint = Blueprint::new("rights").await;
    let v = versions(&[
        "CREATE TABLE users (id serial PRIMARY KEY, name text)",
        "CREATE SCHEMA audit",
        "CREATE TABLE audit.log (id int GENERATED ALWAYS AS IDENTITY, line text)",
    ]);
    let mut acme = blueprint.tenant("acme", &v).await;
    for sql in [
        "INSERT INTO users (name) VALUES ('a'), ('b')",
        "UPDATE users SET name = 'c' WHERE id = 1",
        "DELETE FROM users WHERE id = 2",
        "INSERT INTO audit.log (line) VALUES ('x')",
        "CREATE TEMP TABLE scratch AS SELECT * FROM users",
        "TRUNCATE users",
        "SELECT version FROM tenantsdb.version",
    ] {
        acme.run(sql).await;
    }
    for sql in [
        "CREATE TABLE mine (a int)",
        "ALTER TABLE users ADD COLUMN b int",
        "DROP TABLE users",
        "CREATE SCHEMA mine",
        "INSERT INTO tenantsdb.version (ordinal, version) VALUES (9, '1.9')",
        "DELETE FROM tenantsdb.version",
        "SET ROLE rights_owner",
        "SET ROLE rights_deploy",
        "CREATE ROLE friend",
        "CREATE DATABASE mine",
        "COPY users TO PROGRAM 'cat'",
    ] {
        assert_eq!(acme.refused(sql).await, DENIED, "{sql}");
    }
}

#[tokio::test]
async fn a_tenant_that_may_change_its_schema_acts_as_the_owner_and_no_further() {
    let blueprint = Blueprint::new("free").await;
    let v = versions(&["CREATE TABLE t (a int)"]);
    blueprint.template(&v).await.unwrap();
    blueprint.tenant_with("acme", 1, true).await.unwrap();
    blueprint.tenant_with("globex", 1, false).await.unwrap();
    let mut acme = blueprint.client("acme").await;
    acme.run("ALTER TABLE t ADD COLUMN b int; CREATE TABLE mine (a int)")
        .await;
    let owner = "SELECT tableowner::text FROM pg_tables WHERE tablename = 'mine'";
    assert_eq!(acme.value(owner).await, "free_owner");
    acme.run("DISCARD ALL").await;
    assert_eq!(acme.value("SELECT current_user::text").await, "free_owner");
    assert!(
        Client::login("free__globex", "free__acme", PASSWORD)
            .await
            .is_err()
    );
    assert_eq!(acme.refused("DELETE FROM tenantsdb.version").await, DENIED);
    assert_eq!(
        acme.refused("ALTER DATABASE free__acme CONNECTION LIMIT 1")
            .await,
        DENIED
    );
    assert_eq!(acme.refused("DROP SCHEMA tenantsdb CASCADE").await, DENIED);
}

#[tokio::test]
async fn no_other_login_enters_a_database_that_is_being_made() {
    let blueprint = Blueprint::new("door").await;
    blueprint.template(&[]).await.unwrap();
    blueprint.tenant_with("spy", 0, false).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (tried, entered) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut spies = Vec::new();
    for database in [
        "door__acme",
        "door_dev",
        "door_template_building",
        "door_template_1_1",
    ] {
        let (stop, tried) = (Arc::clone(&stop), Arc::clone(&tried));
        let entered = Arc::clone(&entered);
        spies.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                if Client::login(database, "door__spy", PASSWORD).await.is_ok() {
                    entered.fetch_add(1, Ordering::Relaxed);
                }
                tried.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let v = versions(&["CREATE TABLE t (a int)"]);
    for _ in 0..3 {
        let _workspace = blueprint.workspace().await;
        let _acme = blueprint.tenant("acme", &v).await;
        blueprint
            .provisioner
            .tenant_drop("door", "acme")
            .await
            .unwrap();
        blueprint.provisioner.workspace_drop("door").await.unwrap();
        let mut admin = Client::admin("postgres").await;
        admin
            .run("ALTER DATABASE door_template_1_1 IS_TEMPLATE false")
            .await;
        admin.run("DROP DATABASE door_template_1_1").await;
    }
    stop.store(true, Ordering::Relaxed);
    for spy in spies {
        spy.await.unwrap();
    }
    assert!(tried.load(Ordering::Relaxed) > 20, "the spies slept");
    assert_eq!(entered.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_others_granted_to_a_tenant_does_not_keep_it() {
    let blueprint = Blueprint::new("sticky").await;
    // The template has such a grant too, and every clone of it.
    let template = "DO $$ BEGIN PERFORM lo_create(4242); \
                    GRANT SELECT ON LARGE OBJECT 4242 TO sticky__acme; END $$";
    let mut admin = Client::admin("postgres").await;
    let _acme = blueprint.tenant("acme", &[]).await;
    let mut globex = blueprint.tenant("globex", &versions(&[template])).await;
    globex
        .run(
            "ALTER DEFAULT PRIVILEGES FOR ROLE sticky__globex \
                 GRANT SELECT ON TABLES TO sticky__acme, sticky_rw",
        )
        .await;
    globex.run("SELECT lo_create(424242)").await;
    globex
        .run("GRANT SELECT ON LARGE OBJECT 424242 TO sticky__acme")
        .await;
    let dropped = blueprint.provisioner.tenant_drop("sticky", "acme").await;
    dropped.unwrap();
    let left = "SELECT count(*)::text FROM pg_roles WHERE rolname = 'sticky__acme'";
    assert_eq!(admin.value(left).await, "0");
    let open = "SELECT datallowconn::text FROM pg_database WHERE datname = 'sticky_template_1_1'";
    assert_eq!(admin.value(open).await, "false");
}

#[tokio::test]
async fn every_verb_may_be_repeated() {
    let blueprint = Blueprint::new("again").await;
    let v = versions(&["CREATE TABLE t (a int)"]);
    for _ in 0..2 {
        blueprint.provisioner.register().await.unwrap();
        blueprint
            .provisioner
            .ensure_blueprint("again")
            .await
            .unwrap();
        let _workspace = blueprint.workspace().await;
        let written = blueprint.sealed(&[]).await;
        assert!(
            written.is_empty(),
            "our own work is in the ledger: {written:?}"
        );
        let _acme = blueprint.tenant("acme", &v).await;
        blueprint
            .provisioner
            .login_disable("again__acme")
            .await
            .unwrap();
        blueprint
            .provisioner
            .terminate("again__acme")
            .await
            .unwrap();
        blueprint
            .provisioner
            .login_enable("again__acme")
            .await
            .unwrap();
        blueprint
            .provisioner
            .login_rotate("again__acme", &verifier())
            .await
            .unwrap();
    }
    for _ in 0..2 {
        blueprint
            .provisioner
            .tenant_drop("again", "acme")
            .await
            .unwrap();
        blueprint.provisioner.workspace_drop("again").await.unwrap();
        blueprint.provisioner.drop_blueprint("again").await.unwrap();
    }
    let mut admin = Client::admin("postgres").await;
    let left = "SELECT string_agg(name, ' ') FROM (SELECT rolname::text AS name FROM pg_roles \
                UNION SELECT datname FROM pg_database) names WHERE name LIKE 'again%'";
    assert_eq!(admin.value(left).await, "");
}

#[tokio::test]
async fn a_creation_that_was_broken_off_is_completed() {
    let blueprint = Blueprint::new("broken").await;
    blueprint.template(&[]).await.unwrap();
    let mut admin = Client::admin("postgres").await;
    // As a crash behind CREATE ROLE and CREATE DATABASE leaves it.
    admin
        .run(
            "CREATE ROLE broken__acme NOLOGIN; \
             COMMENT ON ROLE broken__acme IS 'TenantsDB: made and dropped by control'",
        )
        .await;
    admin
        .run("CREATE DATABASE broken__acme TEMPLATE broken_template_1_0 ALLOW_CONNECTIONS false")
        .await;
    blueprint.tenant_with("acme", 0, false).await.unwrap();
    let mut acme = blueprint.client("acme").await;
    assert_eq!(
        acme.value("SELECT version FROM tenantsdb.version").await,
        "1.0"
    );
    assert!(
        Client::login("broken__acme", "broken_dev", PASSWORD)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn what_is_not_ours_is_not_taken_over() {
    let blueprint = Blueprint::new("alien").await;
    blueprint.template(&[]).await.unwrap();
    let mut admin = Client::admin("postgres").await;
    admin.run("CREATE DATABASE alien__acme").await;
    let made = blueprint.tenant_with("acme", 0, false).await;
    assert!(matches!(made, Err(Error::Refused(_))), "{made:?}");
    admin.run("CREATE ROLE alien__boss LOGIN").await;
    let made = blueprint.tenant_with("boss", 0, false).await;
    assert!(matches!(made, Err(Error::Refused(_))), "{made:?}");
    let gone = blueprint.tenant_with("globex", 7, false).await;
    assert_eq!(gone, Err(Error::NoTemplate(7)));
    admin.run("DROP DATABASE alien__acme").await;
    admin.run("DROP ROLE alien__boss").await;
}

#[tokio::test]
async fn rotation_takes_back_what_a_login_did_to_itself() {
    let blueprint = Blueprint::new("selfie").await;
    blueprint.template(&[]).await.unwrap();
    blueprint.tenant_with("acme", 0, true).await.unwrap();
    let mut acme = blueprint.client("acme").await;
    acme.run(
        "SET ROLE NONE; ALTER ROLE selfie__acme PASSWORD 'other'; \
         ALTER ROLE selfie__acme SET statement_timeout = 1; \
         ALTER ROLE selfie__acme IN DATABASE selfie__acme SET role = 'none'",
    )
    .await;
    blueprint
        .provisioner
        .login_rotate("selfie__acme", &verifier())
        .await
        .unwrap();
    let mut acme = blueprint.client("acme").await;
    assert_eq!(acme.value("SHOW statement_timeout").await, "0");
    assert_eq!(
        acme.value("SELECT current_user::text").await,
        "selfie_owner"
    );
}

#[tokio::test]
async fn suspension_holds_and_the_verifier_is_kept_byte_for_byte() {
    let blueprint = Blueprint::new("asleep").await;
    let mut acme = blueprint.tenant("acme", &[]).await;
    let mut admin = Client::admin("postgres").await;
    let stored = "SELECT rolpassword FROM pg_authid WHERE rolname = 'asleep__acme'";
    assert_eq!(admin.value(stored).await, verifier());
    blueprint
        .provisioner
        .login_disable("asleep__acme")
        .await
        .unwrap();
    blueprint
        .provisioner
        .terminate("asleep__acme")
        .await
        .unwrap();
    assert!(acme.try_run("SELECT 1").await.is_err());
    let refused = Client::login("asleep__acme", "asleep__acme", PASSWORD).await;
    assert_eq!(sqlstate(&refused.err().unwrap()), "28000");
    blueprint
        .provisioner
        .login_enable("asleep__acme")
        .await
        .unwrap();
    blueprint.client("acme").await.run("SELECT 1").await;
}

#[tokio::test]
async fn a_server_that_cannot_be_used_says_why() {
    let good = admin_login();
    let wrong = ServerLogin {
        password: Secret::new("wrong".to_owned()),
        ..good.clone()
    };
    let refused = Provisioner::new(Engine::Postgres, wrong).register().await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    let nowhere = ServerLogin {
        addr: "127.0.0.1:1".to_owned(),
        ..good.clone()
    };
    let refused = Provisioner::new(Engine::Postgres, nowhere).register().await;
    assert!(
        matches!(refused, Err(Error::Unreachable { .. })),
        "{refused:?}"
    );
    let mut admin = Client::admin("postgres").await;
    admin
        .run("CREATE ROLE plain_admin LOGIN PASSWORD 'p' IN ROLE pg_read_all_data")
        .await;
    admin
        .run("GRANT CONNECT ON DATABASE postgres TO plain_admin")
        .await;
    let plain = ServerLogin {
        user: "plain_admin".to_owned(),
        password: Secret::new("p".to_owned()),
        ..good
    };
    let refused = Provisioner::new(Engine::Postgres, plain).register().await;
    let Err(Error::Refused(text)) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        text.contains("ALTER ROLE \"plain_admin\" SUPERUSER"),
        "{text}"
    );
    admin
        .run("DROP OWNED BY plain_admin; DROP ROLE plain_admin")
        .await;
}

#[tokio::test]
async fn tenants_made_at_once_do_not_disturb_each_other() {
    let blueprint = Arc::new(Blueprint::new("crowd").await);
    blueprint.template(&[]).await.unwrap();
    let mut makers = Vec::new();
    for number in 0..8 {
        let blueprint = Arc::clone(&blueprint);
        makers.push(tokio::spawn(async move {
            let tenant = format!("t{number}");
            let spec = TenantSpec {
                blueprint: "crowd",
                tenant: &tenant,
                verifier: &verifier(),
                ordinal: 0,
                allow_ddl: false,
                allow_truncate: false,
            };
            blueprint.provisioner.tenant_create(spec).await
        }));
    }
    for maker in makers {
        maker.await.unwrap().unwrap();
    }
}
