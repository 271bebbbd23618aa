use std::time::Duration;

use super::server::{Blueprint, PASSWORD, Server, number, on_both, statement, versions};
use crate::blueprint::Version;
use crate::provision::mysql::names::deploy_account_name;
use crate::provision::{Error, Provisioner};
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::mysql::Flavour;

on_both!(
    no_door_leads_to_another_tenant,
    a_name_that_another_matches_as_a_pattern_is_another,
    captured_text_gains_nothing_outside_its_schema,
    accounts_of_others_are_not_taken_over,
    a_login_is_suspended_rotated_and_dropped_with_its_sessions,
    statements_of_others_do_not_keep_sessions_from_being_ended,
    a_long_login_has_an_account_of_another_name,
    truncate_and_ddl_are_given_where_asked_for,
);

async fn no_door_leads_to_another_tenant(server: &'static Server) {
    let blueprint = Blueprint::new(server, "doors").await;
    let mut v = versions(&[
        "CREATE TABLE t (x int)",
        "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1",
    ]);
    let mut globex = blueprint.tenant("globex", &mut v).await;
    let mut acme = blueprint.tenant("acme", &mut v).await;
    globex.run("INSERT INTO t VALUES (42)").await;
    let other = "doors__globex";
    for (sql, numbers) in [
        (format!("USE {other}"), &[1044][..]),
        ("USE mysql".to_owned(), &[1044]),
        ("USE doors_template_1_2".to_owned(), &[1044]),
        (format!("SELECT * FROM {other}.t"), &[1142]),
        (format!("INSERT INTO {other}.t VALUES (1)"), &[1142]),
        (format!("SELECT {other}.f()"), &[1370]),
        (format!("CREATE TABLE {other}.u (x int)"), &[1142]),
        (format!("CREATE TEMPORARY TABLE {other}.u (x int)"), &[1044]),
        (format!("CREATE VIEW v AS SELECT * FROM {other}.t"), &[1142]),
        (format!("DROP DATABASE {other}"), &[1044]),
        (format!("SHOW TABLES FROM {other}"), &[1044]),
        (format!("SHOW CREATE TABLE {other}.t"), &[1142]),
        (format!("LOCK TABLES {other}.t READ"), &[1044]),
        ("SELECT * FROM mysql.user".to_owned(), &[1142]),
        (
            "LOAD DATA INFILE '/etc/passwd' INTO TABLE t".to_owned(),
            &[1045],
        ),
        (
            "SELECT 1 INTO OUTFILE '/tmp/tdb-control-mysql-out'".to_owned(),
            &[1045, 1227],
        ),
        ("CREATE USER u IDENTIFIED BY 'x'".to_owned(), &[1227, 1410]),
        ("GRANT ALL ON *.* TO CURRENT_USER".to_owned(), &[1045, 1064]),
        ("SET GLOBAL max_connections = 1".to_owned(), &[1227]),
        ("CREATE TABLE u (x int)".to_owned(), &[1142]),
        ("DROP TABLE t".to_owned(), &[1142]),
        ("TRUNCATE TABLE t".to_owned(), &[1142]),
        (
            "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET @a = 1".to_owned(),
            &[1142],
        ),
    ] {
        let refused = acme.refused(&sql).await;
        assert!(numbers.contains(&refused), "{sql}: {refused}");
    }
    assert_eq!(acme.value("SELECT LOAD_FILE('/etc/passwd')").await, "");
    let schemas = "SELECT GROUP_CONCAT(SCHEMA_NAME ORDER BY 1) FROM information_schema.SCHEMATA \
                   WHERE SCHEMA_NAME NOT IN ('information_schema', 'performance_schema')";
    assert_eq!(acme.value(schemas).await, "doors__acme");
    for table in ["TABLES", "COLUMNS", "PARTITIONS", "STATISTICS"] {
        let foreign = format!(
            "SELECT COUNT(*) FROM information_schema.{table} WHERE TABLE_SCHEMA = '{other}'"
        );
        assert_eq!(acme.value(&foreign).await, "0", "{table}");
    }
    let routines = format!(
        "SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '{other}'"
    );
    assert_eq!(acme.value(&routines).await, "0");
    let thread = globex.value("SELECT CONNECTION_ID()").await;
    assert_eq!(acme.refused(&format!("KILL {thread}")).await, 1095);
    assert_eq!(acme.refused(&format!("KILL QUERY {thread}")).await, 1095);
    let seen = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER <> 'doors__acme'";
    assert_eq!(acme.value(seen).await, "0");
    assert_eq!(globex.value("SELECT x FROM t").await, "42");
    let wrong = server
        .try_login("doors__acme", "wrong", "doors__acme")
        .await;
    assert_eq!(number(&wrong.err().unwrap()), 1045);
    let elsewhere = server.try_login("doors__acme", PASSWORD, other).await;
    assert_eq!(number(&elsewhere.err().unwrap()), 1044);
}

#[tokio::test]
async fn a_name_that_another_matches_is_another_with_partial_revokes_too() {
    if let Some(server) = super::server::mysql_with_partial_revokes() {
        assert_eq!(
            server.admin().await.value("SELECT @@partial_revokes").await,
            "1"
        );
        a_name_that_another_matches_as_a_pattern_is_another(server).await;
    }
}

async fn a_name_that_another_matches_as_a_pattern_is_another(server: &'static Server) {
    let first = Blueprint::new(server, "p").await;
    let second = Blueprint::new(server, "pxx").await;
    let mut v = versions(&["CREATE TABLE t (x int)"]);
    // `p__a_b` as a pattern matches `pxxa_b`, `p__axb` and more.
    let mut under = first.tenant("a_b", &mut v).await;
    let mut other = first.tenant("axb", &mut v).await;
    let _third = second.tenant("a_b", &mut v).await;
    under.run("INSERT INTO t VALUES (1)").await;
    let mut admin = server.admin().await;
    admin
        .run("CREATE DATABASE pxxa_b; CREATE TABLE pxxa_b.t (x int)")
        .await;
    for schema in ["p__axb", "pxxa_b", "pxx__a_b"] {
        assert_eq!(
            under.refused(&format!("USE {schema}")).await,
            1044,
            "{schema}"
        );
        let sql = format!("SELECT * FROM {schema}.t");
        assert_eq!(under.refused(&sql).await, 1142, "{schema}");
    }
    assert_eq!(other.refused("SELECT * FROM p__a_b.t").await, 1142);
    let visible = "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME \
                   NOT IN ('information_schema', 'performance_schema')";
    assert_eq!(under.value(visible).await, "1");
    // The deploy account is held as tightly.
    v.extend([Version {
        ordinal: 2,
        statements: vec![statement("CREATE TABLE p__axb.u (x int)")],
    }]);
    assert!(first.apply("a_b", &v).await.is_err());
}

async fn captured_text_gains_nothing_outside_its_schema(server: &'static Server) {
    let blueprint = Blueprint::new(server, "hostile").await;
    let mut v = versions(&["CREATE TABLE t (x int)"]);
    let mut globex = blueprint.tenant("globex", &mut v).await;
    let mut acme = blueprint.tenant("acme", &mut v).await;
    globex.run("INSERT INTO t VALUES (42)").await;
    for text in [
        "GRANT ALL ON *.* TO 'hostile__acme'@'%'",
        "CREATE USER evil IDENTIFIED BY 'x'",
        "ALTER USER 'hostile__acme'@'%' ACCOUNT LOCK",
        "SET GLOBAL max_connections = 1",
        "SET PASSWORD = 'x'",
        "CREATE TABLE hostile__globex.u (x int)",
        "CREATE TABLE u AS SELECT * FROM hostile__globex.t",
        "CREATE VIEW w AS SELECT * FROM hostile__globex.t",
        "ALTER TABLE hostile__globex.t ADD y int",
        "ALTER TABLE t RENAME hostile__globex.u",
        "DROP TABLE hostile__globex.t",
        "DROP DATABASE hostile__globex",
        "CREATE TRIGGER hostile__globex.g BEFORE INSERT ON hostile__globex.t FOR EACH ROW SET @a=1",
        "CREATE TABLE a (x int); CREATE TABLE b (x int)",
        "CREATE TABLE a (x int); GRANT ALL ON *.* TO 'hostile__acme'@'%'",
        "USE hostile__globex",
        "CALL p()",
        "CREATE TRIGGER g BEFORE UPDATE ON `_tenantsdb` FOR EACH ROW SET NEW.state = 'done'",
        "CREATE TEMPORARY TABLE t (x int)",
        "INSERT INTO `_tenantsdb` (ordinal, step, state) VALUES (9, 0, 'done')",
        "CREATE PROCEDURE hostile__globex.p() SELECT 1",
        "/*!50000 CREATE TABLE hostile__globex.u (x int) */",
    ] {
        let mut more = v.clone();
        more.extend([Version {
            ordinal: 2,
            statements: vec![statement(text)],
        }]);
        let failure = blueprint.apply("acme", &more).await.expect_err(text);
        assert_eq!(failure.to, Some(1), "{text}: {failure}");
        let sql = "DELETE FROM `_tenantsdb` WHERE ordinal > 1";
        acme.run(sql).await;
    }
    // What carries another's name runs as the deploy account all the same.
    let deployer = deploy_account_name("hostile__acme");
    let texts = [
        "CREATE DEFINER=`root`@`localhost` PROCEDURE p() SELECT * FROM hostile__globex.t",
        "CREATE /*!50017 DEFINER=`admin`@`%` */ TRIGGER g BEFORE INSERT ON t FOR EACH ROW \
         SET NEW.x = (SELECT x FROM hostile__globex.t)",
        "CREATE DEFINER=admin FUNCTION f() RETURNS int READS SQL DATA \
         RETURN (SELECT x FROM hostile__globex.t LIMIT 1)",
        "CREATE DEFINER = 'hostile__globex'@'%' EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO \
         INSERT INTO t SELECT * FROM hostile__globex.t",
        "CREATE PROCEDURE q() SQL SECURITY DEFINER BEGIN SET @s = 'GRANT ALL ON *.* TO \
         ''hostile__acme''@''%'''; PREPARE s FROM @s; EXECUTE s; END",
    ];
    for (ordinal, text) in (2..).zip(texts) {
        v.push(Version {
            ordinal,
            statements: vec![statement(text)],
        });
    }
    blueprint.apply("acme", &v).await.unwrap();
    let mut admin = server.admin().await;
    let definers = "SELECT GROUP_CONCAT(DISTINCT DEFINER) FROM (SELECT DEFINER FROM \
        information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'hostile__acme' UNION SELECT DEFINER \
        FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'hostile__acme' UNION SELECT \
        DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'hostile__acme') d";
    assert_eq!(admin.value(definers).await, format!("{deployer}@%"));
    for (sql, numbers) in [
        ("CALL p()", &[1142][..]),
        ("SELECT f()", &[1142]),
        ("INSERT INTO t VALUES (1)", &[1142]),
        ("CALL q()", &[1045]),
    ] {
        let refused = acme.refused(sql).await;
        assert!(numbers.contains(&refused), "{sql}: {refused}");
    }
    // Nobody logs in as the deploy account.
    let sql = format!("SELECT account_locked FROM mysql.user WHERE User = '{deployer}'");
    if server.flavour == Flavour::MySql {
        assert_eq!(admin.value(&sql).await, "Y");
    }
    assert!(admin.threads(&deployer).await.is_empty());
    assert_eq!(globex.value("SELECT GROUP_CONCAT(x) FROM t").await, "42");
}

async fn accounts_of_others_are_not_taken_over(server: &'static Server) {
    let blueprint = Blueprint::new(server, "taken").await;
    blueprint.template(&mut []).await.unwrap();
    let mut admin = server.admin().await;
    for (tenant, sql) in [
        (
            "a",
            "CREATE USER 'taken__a'@'%' IDENTIFIED BY 'x'; \
             GRANT SELECT ON mysql.* TO 'taken__a'@'%'",
        ),
        ("b", "CREATE USER 'taken__b'@'localhost' IDENTIFIED BY 'x'"),
        (
            "c",
            "CREATE DATABASE taken__c; CREATE TABLE taken__c.t (x int)",
        ),
        (
            "d",
            "CREATE DATABASE taken__d; CREATE USER taken_u IDENTIFIED BY 'x'; \
               GRANT SELECT ON taken__d.* TO taken_u",
        ),
    ] {
        admin.run(sql).await;
        let refused = blueprint.tenant_with(tenant, 0, (false, false)).await;
        assert!(
            matches!(refused, Err(Error::Refused(_))),
            "{tenant}: {refused:?}"
        );
    }
    admin
        .run("CREATE DATABASE taken_dev; CREATE TABLE taken_dev.t (x int)")
        .await;
    let refused = blueprint
        .provisioner
        .workspace_create("taken", blueprint.verifier())
        .await;
    assert!(matches!(refused, Err(Error::Refused(_))));
    assert_eq!(admin.value("SELECT COUNT(*) FROM taken__c.t").await, "0");
}

async fn a_login_is_suspended_rotated_and_dropped_with_its_sessions(server: &'static Server) {
    let blueprint = Blueprint::new(server, "rotate").await;
    let mut acme = blueprint.tenant("acme", &mut []).await;
    let (user, provisioner) = ("rotate__acme", &blueprint.provisioner);
    provisioner.login_disable(user).await.unwrap();
    assert!(acme.try_run("DO 0").await.is_err());
    assert!(server.try_login(user, PASSWORD, user).await.is_err());
    provisioner.login_enable(user).await.unwrap();
    let mut acme = blueprint.client("acme").await;
    provisioner.terminate(user).await.unwrap();
    assert!(acme.try_run("DO 0").await.is_err());
    let mut acme = blueprint.client("acme").await;
    let thread: i64 = acme.value("SELECT CONNECTION_ID()").await.parse().unwrap();
    let alive = provisioner
        .threads_alive(&[thread, i64::MAX])
        .await
        .unwrap();
    assert_eq!(alive, [thread]);
    let own = match server.flavour {
        Flavour::MariaDb => "SET PASSWORD = PASSWORD('another')",
        Flavour::MySql => "ALTER USER USER() IDENTIFIED BY 'another'",
    };
    acme.run(own).await;
    provisioner
        .login_rotate(user, blueprint.verifier())
        .await
        .unwrap();
    assert!(acme.try_run("DO 0").await.is_err());
    let secret = tenantsdb_codecs::secret::Secret::new(PASSWORD.to_owned());
    provisioner.login_warm(user, &secret).await.unwrap();
    let mut acme = blueprint.client("acme").await;
    provisioner.tenant_drop("rotate", "acme").await.unwrap();
    assert!(acme.try_run("DO 0").await.is_err());
    let mut admin = server.admin().await;
    let left = format!(
        "SELECT (SELECT COUNT(*) FROM mysql.user WHERE User IN ('{user}', '{}')) + \
         (SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{user}')",
        deploy_account_name(user)
    );
    assert_eq!(admin.value(&left).await, "0");
    // Again, with nothing there.
    provisioner.tenant_drop("rotate", "acme").await.unwrap();
}

async fn statements_of_others_do_not_keep_sessions_from_being_ended(server: &'static Server) {
    let blueprint = Blueprint::new(server, "bytes").await;
    let mut acme = blueprint.tenant("acme", &mut []).await;
    let mut globex = blueprint.tenant("globex", &mut []).await;
    // No UTF-8 as MySQL's process list has it, which is of three bytes a character.
    let running = tokio::spawn(async move {
        let sql = "SELECT SLEEP(600), '\u{1f9a6}\u{1f9a6}'";
        globex.try_run(sql).await
    });
    let mut admin = server.admin().await;
    let user = "bytes__globex";
    let sleeps = |(_, state): &(String, String)| state == "User sleep";
    while !admin.threads(user).await.iter().any(sleeps) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    blueprint
        .provisioner
        .terminate("bytes__acme")
        .await
        .unwrap();
    assert!(acme.try_run("DO 0").await.is_err());
    let busy = blueprint.provisioner.threads_busy(user).await.unwrap();
    assert_eq!(busy.len(), 1);
    blueprint.provisioner.terminate(user).await.unwrap();
    assert!(running.await.unwrap().is_err());
}

async fn a_long_login_has_an_account_of_another_name(server: &'static Server) {
    let blueprint = Blueprint::new(server, "a_blueprint_with_a_name").await;
    let mut v = versions(&["CREATE TABLE t (x int)"]);
    let tenant = "and_a_tenant_with_another";
    let mut client = blueprint.tenant(tenant, &mut v).await;
    let user = client.value("SELECT CURRENT_USER()").await;
    assert!(user.starts_with("t_") && user.ends_with("@%"), "{user}");
    let database = blueprint.database(tenant);
    assert_eq!(client.value("SELECT DATABASE()").await, database);
    blueprint
        .provisioner
        .login_disable(&database)
        .await
        .unwrap();
    assert!(client.try_run("DO 0").await.is_err());
}

async fn truncate_and_ddl_are_given_where_asked_for(server: &'static Server) {
    let blueprint = Blueprint::new(server, "rights").await;
    let mut v = versions(&["CREATE TABLE t (x int)"]);
    blueprint.template(&mut v).await.unwrap();
    blueprint
        .tenant_with("cut", 1, (false, true))
        .await
        .unwrap();
    let mut cut = blueprint.client("cut").await;
    cut.run("TRUNCATE TABLE t").await;
    assert_eq!(cut.refused("ALTER TABLE t ADD y int").await, 1142);
    blueprint
        .tenant_with("ddl", 1, (true, false))
        .await
        .unwrap();
    let mut ddl = blueprint.client("ddl").await;
    ddl.run("ALTER TABLE t ADD y int; CREATE TABLE u (x int)")
        .await;
    assert_eq!(
        ddl.refused("GRANT SELECT ON t TO 'rights__cut'@'%'").await,
        1142
    );
    // Repeated with less, the rights are less.
    blueprint
        .tenant_with("ddl", 1, (false, false))
        .await
        .unwrap();
    let mut ddl = blueprint.client("ddl").await;
    assert_eq!(ddl.refused("CREATE TABLE w (x int)").await, 1142);
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_refused_with_the_command() {
    let server = super::server::mariadb();
    let provisioner = |user: &str, password: &str| {
        let mut login = server.admin_login();
        login.user = user.to_owned();
        login.password = tenantsdb_codecs::secret::Secret::new(password.to_owned());
        Provisioner::new(Engine::MySql, login)
    };
    let mut admin = server.admin().await;
    let ok = Provisioner::new(Engine::MySql, server.admin_login());
    let facts = ok.register().await.unwrap();
    assert!(facts.version.ends_with("-MariaDB"), "{}", facts.version);
    let wrong = provisioner("admin", "wrong").register().await;
    assert!(matches!(wrong, Err(Error::Refused(_))), "{wrong:?}");
    admin
        .run("CREATE USER weak IDENTIFIED BY 'weak'; GRANT SELECT ON *.* TO weak")
        .await;
    let weak = provisioner("weak", "weak").register().await.unwrap_err();
    assert!(
        weak.to_string()
            .contains("GRANT ALL PRIVILEGES ON *.* TO 'weak'@'%'"),
        "{weak}"
    );
    for (before, after, text) in [
        (
            "CREATE USER ''@'nowhere.invalid' IDENTIFIED BY 'x'",
            "DROP USER ''@'nowhere.invalid'",
            "DROP USER ''@'nowhere.invalid'",
        ),
        (
            "CREATE DATABASE for_all; GRANT SELECT ON for_all.* TO PUBLIC",
            "REVOKE ALL PRIVILEGES ON for_all.* FROM PUBLIC; DROP DATABASE for_all",
            "REVOKE ALL PRIVILEGES ON `for_all`.* FROM PUBLIC",
        ),
        (
            "INSERT INTO mysql.db (Host, Db, User) VALUES ('%', 'test\\\\_%', '')",
            "DELETE FROM mysql.db WHERE User = ''; FLUSH PRIVILEGES",
            "DELETE FROM mysql.db WHERE User = ''",
        ),
    ] {
        admin.run(before).await;
        let refused = ok.register().await.unwrap_err();
        admin.run(after).await;
        assert!(refused.to_string().contains(text), "{refused}");
    }
    ok.register().await.unwrap();
}

#[tokio::test]
async fn a_mysql_that_cannot_be_used_is_refused_with_the_command() {
    let Some(server) = super::server::mysql_with_partial_revokes() else {
        return;
    };
    let ok = Provisioner::new(Engine::MySql, server.admin_login());
    let mut admin = server.admin().await;
    let refused = ok.register().await.unwrap_err();
    let command = "SET GLOBAL log_bin_trust_function_creators = ON";
    assert!(refused.to_string().contains(command), "{refused}");
    admin.run(command).await;
    let facts = ok.register().await.unwrap();
    assert!(!facts.version.contains("MariaDB"), "{}", facts.version);
    admin
        .run("CREATE ROLE everybody; SET GLOBAL mandatory_roles = 'everybody'")
        .await;
    let refused = ok.register().await.unwrap_err();
    admin.run("SET GLOBAL mandatory_roles = ''").await;
    assert!(refused.to_string().contains("mandatory_roles"), "{refused}");
}

#[tokio::test]
async fn caching_sha2_knows_a_login_after_one_login_over_tls() {
    let Some(server) = super::server::mysql() else {
        return;
    };
    let blueprint = Blueprint::new(server, "warm").await;
    let _acme = blueprint.tenant("acme", &mut []).await;
    let login = crate::provision::ServerLogin {
        tls: tenantsdb_codecs::feed::route::ServerTls::Require,
        ..server.admin_login()
    };
    let provisioner = Provisioner::new(Engine::MySql, login);
    let secret = tenantsdb_codecs::secret::Secret::new(PASSWORD.to_owned());
    provisioner.login_warm("warm__acme", &secret).await.unwrap();
    let wrong = tenantsdb_codecs::secret::Secret::new("wrong".to_owned());
    assert!(provisioner.login_warm("warm__acme", &wrong).await.is_err());
}
