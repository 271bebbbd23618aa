//! With one tenant's login no other tenant is reached, by whatever door, through the proxy or at
//! the server itself; and what is captured and replayed reaches no further.

use serde_json::json;
use tenantsdb_tests::mysql::{Database, Flavour, Refused, Session};
use tenantsdb_tests::wait;

use super::Blueprint;

on_both!(
    no_door_leads_to_another_tenant,
    what_a_tenant_sees_of_the_server_is_its_own,
    threads_of_others_are_out_of_reach,
    an_underscore_in_a_name_stands_for_itself,
    tenants_change_rows_and_not_the_schema,
    what_is_captured_reaches_its_own_schema_only,
    a_workspace_is_as_closed_as_a_tenant,
);

const SCHEMA: &str = "CREATE TABLE items (id INT PRIMARY KEY, body TEXT);
    CREATE PROCEDURE add_item(IN n INT) INSERT INTO items VALUES (n, 'by procedure');
    CREATE VIEW some AS SELECT id FROM items";

/// Two tenants of one blueprint, and the login of the first at the proxy and at the server.
struct Neighbours {
    blueprint: Blueprint,
    acme: Database,
    globex: Database,
}

impl Neighbours {
    fn start(test: &str, flavour: Flavour) -> Self {
        let blueprint = Blueprint::start(test, flavour);
        blueprint.workspace.run(SCHEMA);
        let acme = blueprint.tenant("acme");
        let globex = blueprint.tenant("globex");
        globex.run("INSERT INTO items VALUES (1, 'secret of globex')");
        Self {
            blueprint,
            acme,
            globex,
        }
    }

    fn doors(&self) -> [Database; 2] {
        let server = self.blueprint.fleet.server.address();
        [self.acme.clone(), self.acme.at(&server)]
    }

    fn globex_is_as_it_was(&self) {
        let sql = "SELECT GROUP_CONCAT(id, body) FROM items";
        assert_eq!(self.globex.one(sql), "1secret of globex");
    }
}

/// Access denied: to a database, a table, a column, a routine, a view, an operation, a login.
const DENIED: &[u16] = &[1044, 1045, 1142, 1143, 1227, 1370, 1345, 1410, 1290];

#[track_caller]
fn denied(session: &mut Session, sql: &str) {
    let error = session.fails(sql);
    assert!(DENIED.contains(&error.number), "{sql}: {error}");
}

fn no_door_leads_to_another_tenant(flavour: Flavour) {
    let neighbours = Neighbours::start("mysql_doors", flavour);
    let globex = &neighbours.globex.name;
    let file = neighbours.blueprint.fleet.dir().join("rows.txt");
    std::fs::write(&file, "7\tfrom a file\n").unwrap();
    let file = file.display();
    let doors = [
        format!("USE {globex}"),
        format!("SELECT * FROM {globex}.items"),
        format!("SELECT * FROM {globex}.some"),
        format!("INSERT INTO {globex}.items VALUES (2, 'x')"),
        format!("INSERT INTO items SELECT * FROM {globex}.items"),
        format!("UPDATE items, {globex}.items AS theirs SET theirs.body = 'x'"),
        format!("DELETE FROM {globex}.items"),
        format!("REPLACE {globex}.items VALUES (1, 'x')"),
        format!("CALL {globex}.add_item(9)"),
        format!("SELECT * FROM items JOIN {globex}.items AS theirs"),
        format!("CREATE TEMPORARY TABLE mine SELECT * FROM {globex}.items"),
        format!("CREATE TEMPORARY TABLE {globex}.theirs (id INT)"),
        format!("CREATE TABLE mine LIKE {globex}.items"),
        format!("CREATE VIEW mine AS SELECT * FROM {globex}.items"),
        format!("DROP TABLE {globex}.items"),
        format!("TRUNCATE {globex}.items"),
        format!("RENAME TABLE {globex}.items TO items2"),
        format!("ALTER TABLE {globex}.items ADD COLUMN x INT"),
        format!("DROP DATABASE {globex}"),
        format!("CREATE DATABASE {globex}2"),
        format!("LOCK TABLES {globex}.items READ"),
        format!("SHOW CREATE TABLE {globex}.items"),
        format!("SHOW COLUMNS FROM {globex}.items"),
        format!("SHOW TABLES FROM {globex}"),
        format!("DESCRIBE {globex}.items"),
        format!("CHECKSUM TABLE {globex}.items"),
        format!("LOAD DATA INFILE '{file}' INTO TABLE items"),
        format!("LOAD DATA INFILE '{file}' INTO TABLE {globex}.items"),
        format!("SELECT * FROM items INTO OUTFILE '{file}.out'"),
        format!("SELECT 'x' INTO DUMPFILE '{file}.dump'"),
        "SELECT * FROM mysql.user".to_owned(),
        "SELECT * FROM mysql.db".to_owned(),
        format!("SHOW GRANTS FOR '{globex}'@'%'"),
        format!("SHOW CREATE USER '{globex}'@'%'"),
        format!("GRANT SELECT ON {globex}.* TO CURRENT_USER"),
        "GRANT ALL ON *.* TO CURRENT_USER".to_owned(),
        "CREATE USER thief".to_owned(),
        format!("ALTER USER '{globex}'@'%' IDENTIFIED BY 'x'"),
        format!("SET PASSWORD FOR '{globex}'@'%' = 'x'"),
        "SET GLOBAL max_connections = 1".to_owned(),
        "FLUSH TABLES".to_owned(),
        "FLUSH PRIVILEGES".to_owned(),
        "SHUTDOWN".to_owned(),
        "RESET MASTER".to_owned(),
        "SHOW BINARY LOGS".to_owned(),
    ];
    for door in neighbours.doors() {
        let mut session = door.session();
        for sql in &doors {
            // `LOAD DATA`, `USE` and the like are no statements that could be prepared.
            let error = session.fails(sql);
            let of_grammar = sql == "RESET MASTER" && error.number == 1064;
            assert!(
                of_grammar || DENIED.contains(&error.number),
                "{sql}: {error}"
            );
            if let Err(Refused::Error(error)) = session.prepare(sql) {
                let cannot = [1295, 1064].contains(&error.number);
                assert!(cannot || DENIED.contains(&error.number), "{sql}: {error}");
            }
        }
        assert_eq!(session.one("SELECT LOAD_FILE('/etc/passwd')"), "NULL");
        let error = session.init_db(globex).unwrap_err().failed();
        assert_eq!(error.number, 1044, "{error}");
        // What was said first still holds.
        assert_eq!(session.one("SELECT DATABASE()"), neighbours.acme.name);

        let wrong = door.in_database(globex).refused();
        assert!([1044, 1045].contains(&wrong.number), "{wrong}");
        let wrong = door.in_database("mysql").refused();
        assert!([1044, 1045].contains(&wrong.number), "{wrong}");
        let (user, password) = (&neighbours.acme.user, &neighbours.acme.password);
        let refused = door.session().change_user(user, password, globex);
        let error = refused.unwrap_err().failed();
        assert!([1044, 1045].contains(&error.number), "{error}");
    }
    neighbours.globex_is_as_it_was();
}

fn what_a_tenant_sees_of_the_server_is_its_own(flavour: Flavour) {
    let neighbours = Neighbours::start("mysql_sees", flavour);
    let _at_work = neighbours.globex.session();
    let name = &neighbours.acme.name;
    for door in neighbours.doors() {
        let mut session = door.session();
        let schemas = session.rows("SHOW DATABASES");
        let others = schemas.iter().map(|row| row[0].as_str());
        let own = [name.as_str(), "information_schema", "performance_schema"];
        let others: Vec<&str> = others.filter(|schema| !own.contains(schema)).collect();
        assert!(others.is_empty(), "{others:?}");
        for (table, column) in [
            ("tables", "table_schema"),
            ("columns", "table_schema"),
            ("routines", "routine_schema"),
            ("views", "table_schema"),
            ("triggers", "trigger_schema"),
            ("events", "event_schema"),
            ("statistics", "table_schema"),
            ("partitions", "table_schema"),
            ("key_column_usage", "table_schema"),
            ("schema_privileges", "table_schema"),
            ("schemata", "schema_name"),
        ] {
            // MySQL lists the programs of `sys` to everybody, who may not call them.
            let sql = format!(
                "SELECT COUNT(*) FROM information_schema.{table} WHERE {column} NOT IN \
                 ('{name}', 'information_schema', 'performance_schema', \
                 IF('{table}' = 'routines', 'sys', '')) \
                 AND {column} <> REPLACE('{name}', '_', '\\\\_')"
            );
            assert_eq!(session.one(&sql), "0", "{table}");
        }
        let sql =
            format!("SELECT COUNT(*) FROM information_schema.processlist WHERE user <> '{name}'");
        assert_eq!(session.one(&sql), "0");
        let users = session.rows("SHOW PROCESSLIST");
        assert!(users.iter().all(|row| row[1] == *name), "{users:?}");
        let sql = "SELECT COUNT(DISTINCT grantee) FROM information_schema.user_privileges";
        assert_eq!(session.one(sql), "1");
    }
}

fn threads_of_others_are_out_of_reach(flavour: Flavour) {
    let neighbours = Neighbours::start("mysql_threads", flavour);
    let mut theirs = neighbours.globex.session();
    let server_id = theirs.one("SELECT CONNECTION_ID()");
    let proxy_id = theirs.id().to_string();
    for door in neighbours.doors() {
        for id in [&server_id, &proxy_id] {
            for word in ["KILL", "KILL QUERY", "KILL CONNECTION", "kill /* */ query"] {
                let error = door.session().fails(&format!("{word} {id}"));
                // Unknown thread, or another's.
                assert!([1094, 1095].contains(&error.number), "{word} {id}: {error}");
            }
            // COM_PROCESS_KILL; MySQL 9 has it no more.
            let mut session = door.session();
            let body = id.parse::<u32>().unwrap().to_le_bytes();
            let error = session.simple(0x0c, &body).unwrap_err().failed();
            assert!([1047, 1094, 1095].contains(&error.number), "{error}");
        }
    }
    assert_eq!(theirs.one("SELECT 'alive'"), "alive");
    neighbours.globex_is_as_it_was();
}

/// `_` and `%` in the database name of a GRANT stand for any characters.
fn an_underscore_in_a_name_stands_for_itself(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_underscore", flavour);
    blueprint.workspace.run(SCHEMA);
    let names = ["a_b", "axb", "a_bx"];
    let tenants = names.map(|name| blueprint.tenant(name));
    let server = blueprint.fleet.server.address();
    for one in &tenants {
        for other in tenants.iter().filter(|other| other.name != one.name) {
            for door in [one.clone(), one.at(&server)] {
                let mut session = door.session();
                denied(&mut session, &format!("USE {}", other.name));
                denied(&mut session, &format!("SELECT * FROM {}.items", other.name));
                let sql = format!("SHOW TABLES FROM {}", other.name);
                denied(&mut session, &sql);
            }
        }
        assert_eq!(one.one("SELECT COUNT(*) FROM items"), "0");
    }
}

fn tenants_change_rows_and_not_the_schema(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_rows", flavour);
    blueprint.workspace.run(SCHEMA);
    let body =
        |name: &str, more: &str| json!({"name": name, "blueprint": blueprint.name, more: true});
    let acme = blueprint.tenant("acme");
    let server = blueprint.fleet.server.address();
    for door in [acme.clone(), acme.at(&server)] {
        let mut session = door.session();
        for sql in [
            "CREATE TABLE mine (id INT)",
            "ALTER TABLE items ADD COLUMN x INT",
            "CREATE INDEX x ON items (body(10))",
            "DROP TABLE items",
            "TRUNCATE items",
            "RENAME TABLE items TO items2",
            "CREATE VIEW v AS SELECT 1",
            "CREATE PROCEDURE p() SELECT 1",
            "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1",
            "CREATE TRIGGER t BEFORE INSERT ON items FOR EACH ROW SET NEW.body = 'x'",
            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
            "DROP PROCEDURE add_item",
            "ALTER PROCEDURE add_item COMMENT 'x'",
            "CREATE OR REPLACE VIEW some AS SELECT 1",
            "GRANT SELECT ON items TO CURRENT_USER",
        ] {
            denied(&mut session, sql);
        }
        for sql in [
            "INSERT INTO items VALUES (1, 'x')",
            "CALL add_item(2)",
            "UPDATE items SET body = 'y'",
            "SELECT * FROM some",
            "CREATE TEMPORARY TABLE mine (id INT)",
            "INSERT INTO mine VALUES (1)",
            "DROP TEMPORARY TABLE mine",
            "LOCK TABLES items WRITE",
            "UNLOCK TABLES",
            "DELETE FROM items",
        ] {
            session.query(sql);
        }
    }
    // The marker of versions is control's: a tenant may look at it.
    acme.session().query("SELECT * FROM _tenantsdb");
    let truncates = blueprint
        .fleet
        .tenant_with(&body("truncates", "allow_truncate"));
    truncates.run("TRUNCATE items");
    denied(&mut truncates.session(), "CREATE TABLE mine (id INT)");
    let changes = blueprint.fleet.tenant_with(&body("changes", "allow_ddl"));
    changes.run("CREATE TABLE mine (id INT); ALTER TABLE items ADD COLUMN x INT; DROP TABLE mine");
    denied(
        &mut changes.session(),
        &format!("SELECT * FROM {}.items", acme.name),
    );
}

/// What developers write is replayed in every tenant: it gains nothing outside of the schema that
/// it is replayed in.
fn what_is_captured_reaches_its_own_schema_only(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_captured", flavour);
    blueprint.workspace.run(SCHEMA);
    let victim = blueprint.tenant("victim");
    victim.run("INSERT INTO items VALUES (1, 'kept')");
    let theirs = format!("{}.items", victim.name);
    // Bodies are not looked at until they run.
    let mut workspace = blueprint.workspace.session();
    for sql in [
        format!("CREATE PROCEDURE steal() INSERT INTO items SELECT id + 100, body FROM {theirs}"),
        format!("CREATE PROCEDURE spoil() SQL SECURITY DEFINER DELETE FROM {theirs}"),
        "CREATE PROCEDURE rise() GRANT ALL ON *.* TO CURRENT_USER".to_owned(),
        format!(
            "CREATE FUNCTION quietly() RETURNS INT MODIFIES SQL DATA BEGIN \
             IF DATABASE() NOT LIKE '%\\_dev' THEN DELETE FROM {theirs}; END IF; RETURN 1; END"
        ),
        format!(
            "CREATE TRIGGER spy AFTER INSERT ON items FOR EACH ROW \
             BEGIN IF NEW.id = 666 THEN DELETE FROM {theirs}; END IF; END"
        ),
        format!("CREATE EVENT often ON SCHEDULE EVERY 1 SECOND DO DELETE FROM {theirs}"),
    ] {
        workspace.query(&sql);
    }
    // Not in anybody else's name.
    for definer in [
        "'admin'@'%'",
        "'root'@'localhost'",
        &format!("'{}'@'%'", victim.user),
    ] {
        denied(
            &mut workspace,
            &format!("CREATE DEFINER = {definer} PROCEDURE other() SELECT 1"),
        );
    }
    denied(
        &mut workspace,
        &format!("CREATE VIEW stolen AS SELECT * FROM {theirs}"),
    );
    let acme = blueprint.tenant("acme");
    let mut session = acme.session();
    for sql in [
        "CALL steal()",
        "CALL spoil()",
        "CALL rise()",
        "SELECT quietly()",
    ] {
        denied(&mut session, sql);
    }
    denied(&mut session, "INSERT INTO items VALUES (666, 'x')");

    // DDL that runs a function while it is replayed. MySQL does not let such a function write. (To
    // the victim itself its own schema is open: what is above is not deployed to it.)
    let made = "CREATE TABLE made AS SELECT quietly() AS n";
    match flavour {
        Flavour::MariaDb => {
            workspace.query(made);
            let deployment = blueprint.fleet.deploy(&blueprint.name);
            let end = blueprint.fleet.deployed(&deployment);
            let results = end["results"].as_array().unwrap().iter();
            for result in results.filter(|result| result["tenant"] == "acme") {
                assert_ne!(result["status"], "completed", "{result:#}");
            }
        }
        Flavour::MySql => {
            let refused = workspace.fails(made);
            assert_eq!(refused.number, 1746, "{refused}");
        }
    }
    // The event had its time: a session that is begun now sees what it did.
    let mut admin = blueprint.fleet.server.admin();
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.events \
         WHERE event_schema = '{}' AND last_executed IS NOT NULL",
        acme.name
    );
    wait::until("the event to have run", || {
        (admin.one(&sql) == "1").then_some(())
    });
    assert_eq!(
        victim.one("SELECT GROUP_CONCAT(id, body) FROM items"),
        "1kept"
    );
    let sql = "SELECT COUNT(*) FROM information_schema.user_privileges WHERE is_grantable = 'YES'";
    assert_eq!(acme.one(sql), "0");
}

fn a_workspace_is_as_closed_as_a_tenant(flavour: Flavour) {
    let neighbours = Neighbours::start("mysql_workspace", flavour);
    let workspace = &neighbours.blueprint.workspace;
    let server = neighbours.blueprint.fleet.server.address();
    for door in [workspace.clone(), workspace.at(&server)] {
        let mut session = door.session();
        for sql in [
            format!("USE {}", neighbours.globex.name),
            format!("SELECT * FROM {}.items", neighbours.globex.name),
            format!("CREATE TABLE {}.x (id INT)", neighbours.globex.name),
            format!("RENAME TABLE items TO {}.items2", neighbours.globex.name),
            format!("GRANT ALL ON {}.* TO CURRENT_USER", neighbours.globex.name),
            "CREATE USER x".to_owned(),
            "CREATE DATABASE x".to_owned(),
            "SELECT * FROM mysql.user".to_owned(),
            "SET GLOBAL event_scheduler = OFF".to_owned(),
        ] {
            denied(&mut session, &sql);
        }
    }
    neighbours.globex_is_as_it_was();
}
