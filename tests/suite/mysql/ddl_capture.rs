//! The diff is exactly what took effect in the workspace, in the order in which it did, one version
//! for each command; whatever is killed on the way.

use std::sync::Arc;

use serde_json::Value;
use tenantsdb_tests::mysql::tap::{Plan, Tap};
use tenantsdb_tests::mysql::{Cli, Database, Flavour, Server, cli};
use tenantsdb_tests::ports::Doors;
use tenantsdb_tests::proxy::Proxy;
use tenantsdb_tests::{MySqlFleet, wait};

use super::Blueprint;

on_both!(
    several_statements_stop_at_the_one_that_failed,
    statements_of_the_binary_protocol_are_captured,
    ddl_hidden_in_prepared_text_and_calls_is_found,
    what_events_and_sessions_past_the_proxy_do_is_found,
    executable_comments_are_code,
    names_and_settings_are_those_of_the_session,
    ddl_that_ends_a_transaction_is_captured_and_rows_are_not,
    temporary_tables_are_not_in_the_diff,
    delimiters_are_the_clients_business,
    a_table_made_of_a_query_is_captured_without_its_rows,
    if_not_exists_that_does_nothing_is_no_version,
    triggers_routines_events_and_views_are_captured_whole,
    a_dump_that_is_imported_is_captured,
    privileges_are_recorded_and_never_deployed,
    migration_tools_history_is_left_out,
    ddl_made_while_control_is_away_is_in_the_diff_afterwards,
    statements_of_two_sessions_at_once_are_all_there,
    a_proxy_killed_before_it_forwards_leaves_nothing,
    a_proxy_killed_before_the_reply_loses_nothing,
    a_proxy_killed_before_it_delivers_loses_nothing,
    a_client_killed_before_its_reply_loses_nothing,
);

/// What is pending, without the versions.
fn texts(pending: &[(String, String)]) -> Vec<&str> {
    pending.iter().map(|(_, text)| text.as_str()).collect()
}

impl Blueprint {
    fn pending(&self) -> Vec<(String, String)> {
        self.fleet.pending(&self.name)
    }

    /// Holds that these versions are pending, each with its statements in order.
    #[track_caller]
    fn expect(&self, versions: &[&[&str]]) {
        let expected: Vec<(String, String)> = versions
            .iter()
            .enumerate()
            .flat_map(|(n, statements)| {
                let version = format!("1.{}", n + 1);
                statements
                    .iter()
                    .map(move |text| (version.clone(), (*text).to_owned()))
            })
            .collect();
        assert_eq!(self.pending(), expected);
    }

    /// The pending statements whole, as REST has them.
    fn diff(&self) -> Vec<Value> {
        let path = format!("/v1/workspaces/{}/diff", self.name);
        let diff = self.fleet.api.get(&path).expect(200);
        diff["pending"].as_array().unwrap().clone()
    }

    fn origins(&self) -> Vec<String> {
        let origin = |row: &Value| row["origin"].as_str().unwrap().to_owned();
        self.diff().iter().map(origin).collect()
    }
}

fn several_statements_stop_at_the_one_that_failed(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_several", flavour);
    let mut session = blueprint.workspace.session();
    session.query("CREATE TABLE a (id INT); SELECT 1; CREATE TABLE b (t VARCHAR(9) DEFAULT ';') ;");
    let sql = "CREATE TABLE c (id INT); CREATE TABLE a (id INT); CREATE TABLE never (id INT)";
    assert_eq!(session.fails(sql).number, 1050);
    assert_eq!(
        session.fails("CREATE TABLE broken (id INT, id INT)").number,
        1060
    );
    session.query("INSERT INTO a VALUES (1); ALTER TABLE a ADD COLUMN n INT; SELECT 2");
    blueprint.expect(&[
        &[
            "CREATE TABLE a (id INT)",
            "CREATE TABLE b (t VARCHAR(9) DEFAULT ';')",
        ],
        &["CREATE TABLE c (id INT)"],
        &["ALTER TABLE a ADD COLUMN n INT"],
    ]);
    assert!(blueprint.origins().iter().all(|origin| origin == "wire"));
}

fn statements_of_the_binary_protocol_are_captured(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_binary", flavour);
    let mut session = blueprint.workspace.session();
    let create = session.prepare("CREATE TABLE a (id INT)").unwrap();
    let alter = "ALTER TABLE a ADD COLUMN b INT";
    session.execute(create).unwrap();
    session.drain().unwrap();
    let alter_id = session.prepare(alter).unwrap();
    session.execute(alter_id).unwrap();
    session.drain().unwrap();
    session.execute(alter_id).unwrap();
    assert_eq!(session.drain().unwrap_err().failed().number, 1060);
    // Prepared and never executed.
    session.prepare("CREATE TABLE never (id INT)").unwrap();
    blueprint.expect(&[&["CREATE TABLE a (id INT)"], &[alter]]);
}

fn ddl_hidden_in_prepared_text_and_calls_is_found(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_hidden", flavour);
    let mut session = blueprint.workspace.session();
    session.query("SET @q = 'CREATE TABLE by_text (id INT)'");
    session.query("PREPARE s FROM @q");
    session.query("EXECUTE s");
    session.query("CREATE PROCEDURE maker() BEGIN CREATE TABLE by_call (id INT); END");
    session.query("CALL maker()");
    // A call that commits DDL and then fails.
    session.query(
        "CREATE PROCEDURE half() BEGIN CREATE TABLE by_half (id INT); SELECT * FROM nowhere; END",
    );
    let _ = session.fails("CALL half()");
    let pending = wait::until("all of it to be in the diff", || {
        let pending = blueprint.pending();
        let text = texts(&pending).join("\n");
        let all = ["by_text", "by_call", "by_half"];
        all.iter()
            .all(|table| text.contains(&format!("`{table}`")))
            .then_some(pending)
    });
    let inferred = blueprint.origins();
    let inferred = inferred
        .iter()
        .filter(|origin| *origin == "inferred")
        .count();
    assert_eq!(inferred, 3, "{pending:?}");
    assert_eq!(pending.len(), 5, "{pending:?}");
    let acme = blueprint.tenant("acme");
    assert_eq!(
        acme.one("SELECT COUNT(*) FROM by_text, by_call, by_half"),
        "0"
    );
}

fn what_events_and_sessions_past_the_proxy_do_is_found(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_past", flavour);
    let server = blueprint.fleet.server.address();
    let mut session = blueprint.workspace.session();
    session.query("CREATE TABLE a (id INT)");
    blueprint
        .workspace
        .at(&server)
        .run("ALTER TABLE a ADD COLUMN past INT");
    session.query(
        // In the workspace alone: where it is replayed it would be in a race with what it did here.
        "CREATE EVENT once ON SCHEDULE AT CURRENT_TIMESTAMP DO \
         BEGIN \
           IF DATABASE() LIKE '%\\_dev' THEN CREATE TABLE by_event (id INT PRIMARY KEY); END IF; \
         END",
    );
    wait::until("the event's table", || {
        session.try_query("SELECT * FROM by_event").ok()
    });
    let pending = wait::until("both to be in the diff", || {
        let pending = blueprint.pending();
        let text = format!("{pending:?}");
        (text.contains("by_event") && text.contains("past")).then_some(pending)
    });
    let inferred = blueprint.diff();
    let inferred = inferred.iter().filter(|row| row["origin"] == "inferred");
    assert!(inferred.count() >= 2, "{pending:?}");
    let acme = blueprint.tenant("acme");
    assert_eq!(acme.one("SELECT COUNT(past) FROM a"), "0");
    assert_eq!(acme.one("SELECT COUNT(*) FROM by_event"), "0");
}

fn executable_comments_are_code(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_comments", flavour);
    let mut session = blueprint.workspace.session();
    session.query("/*!40101 CREATE TABLE a (id INT) */");
    session.query("CREATE TABLE b (id INT) /*!40100 DEFAULT CHARACTER SET latin1 */");
    session.query("/* CREATE TABLE c (id INT) */ SELECT 1");
    session.query("/*!99999 CREATE TABLE d (id INT) */");
    session.query("-- a comment\nCREATE /* inside */ TABLE e (id INT) # end");
    let pending = blueprint.pending();
    assert_eq!(pending.len(), 3, "{pending:?}");
    let acme = blueprint.tenant("acme");
    for table in ["a", "b", "e"] {
        assert_eq!(acme.one(&format!("SELECT COUNT(*) FROM {table}")), "0");
    }
    let sql = "SELECT table_collation LIKE 'latin1%' FROM information_schema.tables \
               WHERE table_schema = DATABASE() AND table_name = 'b'";
    assert_eq!(acme.one(sql), "1");
}

fn names_and_settings_are_those_of_the_session(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_context", flavour);
    let mut session = blueprint.workspace.session();
    let dev = &blueprint.workspace.name;
    session.query(&format!("CREATE TABLE {dev}.qualified (id INT)"));
    session.query(&format!(
        "CREATE VIEW seen AS SELECT * FROM `{dev}`.`qualified`"
    ));
    session.query("USE information_schema");
    session.query(&format!("CREATE TABLE {dev}.from_elsewhere (id INT)"));
    session.query(&format!("USE {dev}"));
    session.query("SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')");
    session.query("CREATE TABLE \"quoted name\" (\"a b\" INT DEFAULT 7)");
    session.query("SET sql_mode = DEFAULT, NAMES utf8mb4 COLLATE utf8mb4_bin");
    session.query("CREATE VIEW literal AS SELECT 'x' AS x");
    session.query("SET foreign_key_checks = 0");
    session.query(
        "CREATE TABLE child (id INT, FOREIGN KEY (id) REFERENCES parent (id)) ENGINE=InnoDB",
    );
    session.query("SET foreign_key_checks = 1");
    session.query("CREATE TABLE parent (id INT PRIMARY KEY) ENGINE=InnoDB");
    session.query("SET default_storage_engine = MyISAM");
    session.query("CREATE TABLE with_engine (id INT)");
    let acme = blueprint.tenant("acme");
    let mut tenant = acme.session();
    tenant.query("SELECT * FROM qualified, seen, from_elsewhere, `quoted name`, parent");
    let sql = "SELECT engine FROM information_schema.tables \
               WHERE table_schema = DATABASE() AND table_name = 'with_engine'";
    assert_eq!(tenant.one(sql), "MyISAM");
    let sql = "SELECT collation_name FROM information_schema.columns \
               WHERE table_schema = DATABASE() AND table_name = 'literal'";
    assert_eq!(tenant.one(sql), "utf8mb4_bin");
    assert_eq!(tenant.fails("INSERT INTO child VALUES (1)").number, 1452);
}

fn ddl_that_ends_a_transaction_is_captured_and_rows_are_not(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_implicit", flavour);
    let mut session = blueprint.workspace.session();
    session.query("CREATE TABLE a (id INT)");
    session.query("BEGIN");
    session.query("INSERT INTO a VALUES (1)");
    session.query("CREATE TABLE b (id INT)");
    session.query("ROLLBACK");
    // It was committed by the DDL, whatever was said behind it.
    assert_eq!(session.one("SELECT COUNT(*) FROM a"), "1");
    session.query("TRUNCATE a");
    session.query("RENAME TABLE b TO c, c TO d, a TO e");
    session.query("ANALYZE TABLE d");
    session.query("LOCK TABLES d WRITE");
    session.query("ALTER TABLE d ADD COLUMN n INT");
    session.query("UNLOCK TABLES");
    blueprint.expect(&[
        &["CREATE TABLE a (id INT)"],
        &["CREATE TABLE b (id INT)"],
        &["RENAME TABLE b TO c, c TO d, a TO e"],
        &["ALTER TABLE d ADD COLUMN n INT"],
    ]);
    let acme = blueprint.tenant("acme");
    assert_eq!(acme.one("SELECT COUNT(*) FROM e LEFT JOIN d ON n = 1"), "0");
}

fn temporary_tables_are_not_in_the_diff(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_temporary", flavour);
    let mut session = blueprint.workspace.session();
    for sql in [
        "CREATE TEMPORARY TABLE t (id INT)",
        "ALTER TABLE t ADD COLUMN x INT",
        "CREATE INDEX i ON t (id)",
        "CREATE TEMPORARY TABLE u LIKE t",
        "ALTER TABLE u RENAME TO v",
        "DROP TEMPORARY TABLE v",
        "TRUNCATE t",
        "DROP TABLE t",
        "CREATE TABLE real_one (id INT)",
        // Hides the real one from this session.
        "CREATE TEMPORARY TABLE real_one (x INT)",
        "ALTER TABLE real_one ADD COLUMN of_the_temporary INT",
        "DROP TEMPORARY TABLE real_one",
    ] {
        session.query(sql);
    }
    blueprint.expect(&[&["CREATE TABLE real_one (id INT)"]]);
}

fn delimiters_are_the_clients_business(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_delimiter", flavour);
    let script = "DELIMITER //
        CREATE TABLE a (id INT)//
        CREATE PROCEDURE p() BEGIN SELECT 1; SELECT ';//;'; END//
        DELIMITER ;
        CREATE TABLE b (id INT);";
    Cli(flavour).import(&blueprint.workspace, script).ok();
    let pending = blueprint.pending();
    assert_eq!(pending.len(), 3, "{pending:?}");
    let acme = blueprint.tenant("acme");
    assert_eq!(Cli(flavour).run(&acme, "CALL p()").out(), "1\n;//;");
}

fn a_table_made_of_a_query_is_captured_without_its_rows(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_select", flavour);
    let mut session = blueprint.workspace.session();
    session.query("CREATE TABLE a (id INT, name VARCHAR(20)); INSERT INTO a VALUES (1, 'dev')");
    session.query("CREATE TABLE b (k INT AUTO_INCREMENT PRIMARY KEY) AS SELECT * FROM a");
    assert_eq!(session.one("SELECT COUNT(*) FROM b"), "1");
    let acme = blueprint.tenant("acme");
    assert_eq!(acme.one("SELECT COUNT(*) FROM b"), "0");
    acme.run("INSERT INTO b (id, name) VALUES (1, 'x')");
    let diff = blueprint
        .fleet
        .api
        .get(&format!("/v1/workspaces/{}/diff", blueprint.name));
    assert_eq!(diff.expect(200)["pending"], serde_json::json!([]));
}

fn if_not_exists_that_does_nothing_is_no_version(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_exists", flavour);
    let mut session = blueprint.workspace.session();
    session.query("CREATE TABLE IF NOT EXISTS a (id INT)");
    session.query("CREATE TABLE IF NOT EXISTS a (id INT, other INT)");
    session.query("DROP TABLE IF EXISTS nowhere");
    session.query("DROP VIEW IF EXISTS nowhere; CREATE TABLE b (id INT)");
    blueprint.expect(&[
        &["CREATE TABLE IF NOT EXISTS a (id INT)"],
        &["CREATE TABLE b (id INT)"],
    ]);
}

fn triggers_routines_events_and_views_are_captured_whole(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_programs", flavour);
    let mut session = blueprint.workspace.session();
    let statements = [
        "CREATE TABLE a (id INT PRIMARY KEY, note TEXT)",
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET NEW.note = 'trigger; 1'; END",
        "CREATE FUNCTION f(n INT) RETURNS INT DETERMINISTIC BEGIN RETURN n + 1; END",
        "CREATE PROCEDURE p(OUT n INT) BEGIN SELECT COUNT(*) INTO n FROM a; END",
        "CREATE VIEW v AS SELECT f(id) AS next FROM a",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO BEGIN DELETE FROM a; END",
        "ALTER VIEW v AS SELECT f(id) AS next, note FROM a",
        "DROP EVENT e",
        "ALTER TABLE a ADD CONSTRAINT positive CHECK (id > 0)",
    ];
    for sql in statements {
        session.query(sql);
    }
    let versions: Vec<&[&str]> = statements.iter().map(std::slice::from_ref).collect();
    blueprint.expect(&versions);
    let mut acme = blueprint.tenant("acme").session();
    acme.query("INSERT INTO a (id) VALUES (7)");
    let rows = acme.rows("SELECT next, note FROM v");
    assert_eq!(rows, [["8", "trigger; 1"]]);
    acme.query("CALL p(@n)");
    assert_eq!(acme.one("SELECT @n"), "1");
}

/// `mysqldump` of some other database into the `mysql` client, as people move house.
fn a_dump_that_is_imported_is_captured(flavour: Flavour) {
    let server = Server::shared(flavour);
    let old = server.database(&tenantsdb_tests::mysql::blueprint());
    // One by one: MySQL keeps the semicolon between two statements as part of a trigger's body, and
    // then cannot read its own dump.
    for sql in [
        "CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(20) CHARACTER SET latin1)",
        "CREATE TABLE child (id INT, parent INT, FOREIGN KEY (parent) REFERENCES parent (id))",
        "CREATE VIEW both_of AS SELECT p.name, c.id FROM parent p JOIN child c ON c.parent = p.id",
        "CREATE TRIGGER t BEFORE INSERT ON parent FOR EACH ROW SET NEW.name = UPPER(NEW.name)",
        "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 7",
        "CREATE PROCEDURE p() BEGIN SELECT 'x;y'; END",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM child",
        "INSERT INTO parent VALUES (1, 'row')",
    ] {
        old.run(sql);
    }
    let options = [
        "--routines",
        "--events",
        "--triggers",
        "--single-transaction",
    ];
    let script = cli::dump(flavour, &old, &options).out();
    let blueprint = Blueprint::start("mysql_capture_dump", flavour);
    // A dump names who defined its objects; that login is not the workspace's.
    let script = script.replace(
        &format!("DEFINER=`{}`@`%`", old.user),
        "DEFINER=CURRENT_USER",
    );
    Cli(flavour).import(&blueprint.workspace, &script).ok();
    assert_eq!(
        blueprint
            .workspace
            .one("SELECT name FROM both_of RIGHT JOIN parent USING (name)"),
        "ROW"
    );
    let pending = blueprint.pending();
    assert!(!pending.is_empty());
    let origins = blueprint.origins();
    assert!(
        origins.iter().all(|origin| origin == "wire"),
        "{:?}",
        blueprint.diff()
    );
    let mut acme = blueprint.tenant("acme").session();
    assert_eq!(
        acme.one("SELECT COUNT(*) FROM parent LEFT JOIN both_of ON TRUE"),
        "0"
    );
    acme.query("INSERT INTO parent VALUES (1, 'upper'); INSERT INTO child VALUES (1, 1)");
    assert_eq!(acme.one("SELECT name FROM both_of"), "UPPER");
    assert_eq!(acme.one("SELECT f()"), "7");
}

fn privileges_are_recorded_and_never_deployed(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_privileges", flavour);
    let mut session = blueprint.workspace.session();
    session.query("CREATE TABLE a (id INT)");
    // The workspace cannot hand its rights on.
    let _ = session.fails("GRANT SELECT ON a TO CURRENT_USER");
    blueprint.expect(&[&["CREATE TABLE a (id INT)"]]);
    let acme = blueprint.tenant("acme");
    assert_eq!(acme.one("SELECT COUNT(*) FROM a"), "0");
}

fn migration_tools_history_is_left_out(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_history", flavour);
    let mut session = blueprint.workspace.session();
    session.query("CREATE TABLE django_migrations (id INT)");
    session.query("CREATE TABLE knex_migrations (id INT)");
    session.query("CREATE TABLE a (id INT)");
    blueprint.expect(&[&["CREATE TABLE a (id INT)"]]);
    let acme = blueprint.tenant("acme");
    assert_eq!(
        acme.session()
            .fails("SELECT * FROM django_migrations")
            .number,
        1146
    );
}

fn ddl_made_while_control_is_away_is_in_the_diff_afterwards(flavour: Flavour) {
    let mut blueprint = Blueprint::start("mysql_capture_away", flavour);
    blueprint.fleet.control.kill();
    blueprint.workspace.run("CREATE TABLE a (id INT)");
    blueprint.workspace.run("ALTER TABLE a ADD COLUMN b INT");
    let _ = blueprint
        .workspace
        .session()
        .fails("CREATE TABLE a (id INT)");
    blueprint.fleet.control.resume();
    let expected = ["CREATE TABLE a (id INT)", "ALTER TABLE a ADD COLUMN b INT"];
    wait::until("the proxy to deliver its journal", || {
        (texts(&blueprint.pending()) == expected).then_some(())
    });
    let acme = blueprint.tenant("acme");
    assert_eq!(acme.one("SELECT COUNT(b) FROM a"), "0");
}

fn statements_of_two_sessions_at_once_are_all_there(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_capture_two", flavour);
    const EACH: usize = 15;
    std::thread::scope(|scope| {
        for half in ["x", "y"] {
            let workspace = &blueprint.workspace;
            scope.spawn(move || {
                let mut session = workspace.session();
                for n in 0..EACH {
                    session.query(&format!("CREATE TABLE {half}{n} (id INT)"));
                }
            });
        }
    });
    let pending = blueprint.pending();
    assert_eq!(pending.len(), 2 * EACH, "{pending:?}");
    for half in ["x", "y"] {
        let of_half = pending.iter().filter_map(|(_, text)| {
            let name = text.split(' ').nth(2)?;
            name.strip_prefix(half)?.parse::<usize>().ok()
        });
        assert!(of_half.eq(0..EACH), "{pending:?}");
    }
}

/// A fleet whose proxy reaches the server and control through relays that can hold bytes back.
struct Tapped {
    blueprint: Blueprint,
    server: Arc<Tap>,
    control: Arc<Tap>,
}

impl Tapped {
    fn start(test: &str, flavour: Flavour) -> Self {
        let server = Server::shared(flavour);
        let server_tap = Arc::new(Tap::start(&server.address()));
        // Control makes accounts through the relay too.
        let mut fleet = MySqlFleet::through(test, server, 0, server_tap.address());
        let control_tap = Arc::new(Tap::start(&fleet.control.address()));
        let url = format!("http://{}", control_tap.address());
        let doors: Doors = fleet.control.doors();
        let proxy = Proxy::start_at(fleet.dir(), "proxy-1", doors, (&fleet.control, &url));
        fleet.proxies.push(proxy);
        let blueprint = Blueprint::of(fleet);
        blueprint.workspace.run("CREATE TABLE a (id INT)");
        Self {
            blueprint,
            server: server_tap,
            control: control_tap,
        }
    }

    /// Sends DDL without waiting for its reply; the session stays with the caller.
    fn ask(&self, sql: &str) -> tenantsdb_tests::mysql::Session {
        let mut session = self.blueprint.workspace.session();
        session.ask(sql).unwrap();
        session
    }

    fn kill_and_resume(&mut self) {
        self.blueprint.fleet.proxies[0].kill();
        self.server.release();
        self.control.release();
        self.blueprint.fleet.proxies[0].resume();
    }

    /// Holds that the column reaches tenants, and that it is not there again when the proxy has
    /// delivered all that it knows: a later statement of its own says so.
    fn nothing_comes_twice(&self) {
        self.blueprint.workspace.run("CREATE TABLE b (id INT)");
        let diff = self.settled(|diff| diff.len() >= 3);
        assert_eq!(diff.len(), 3, "{diff:#?}");
        assert_eq!(diff[2]["ddl"], "CREATE TABLE b (id INT)", "{diff:#?}");
        let acme = self.blueprint.tenant("acme");
        assert!(has_column(&acme));
    }

    /// What is pending behind the table that was there from the start, once it does not change any
    /// more: the proxy delivers its journal after its start.
    fn settled(&self, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        wait::until("the diff to tell what became of it", || {
            let diff = self.blueprint.diff();
            wanted(&diff).then_some(diff)
        })
    }
}

const LATE: &str = "ALTER TABLE a ADD COLUMN late INT";

/// Holds that the column is in the diff once: in the words of who asked for it, or, where the diff
/// was asked for before the proxy could tell, in words made from the difference.
#[track_caller]
fn once(diff: &[Value]) {
    assert_eq!(diff.len(), 2, "{diff:#?}");
    let ddl = diff[1]["ddl"].as_str().unwrap().replace('`', "");
    assert!(
        ddl.starts_with(LATE) || ddl.starts_with("ALTER TABLE a ADD COLUMN late int"),
        "{ddl}"
    );
}

fn has_column(database: &Database) -> bool {
    let sql = "SELECT COUNT(*) FROM information_schema.columns \
               WHERE table_schema = DATABASE() AND table_name = 'a' AND column_name = 'late'";
    database.one(sql) == "1"
}

/// Between journal and forward: the server never sees the statement.
fn a_proxy_killed_before_it_forwards_leaves_nothing(flavour: Flavour) {
    let mut tapped = Tapped::start("mysql_kill_forward", flavour);
    tapped.server.plan(Plan::HoldRequest(LATE.to_owned()));
    let mut session = tapped.ask(LATE);
    tapped.server.wait_met();
    tapped.blueprint.fleet.proxies[0].kill();
    assert!(session.results().is_err());
    // What was held goes nowhere: its connection is gone on both sides.
    tapped.server.forget();
    tapped.control.release();
    tapped.blueprint.fleet.proxies[0].resume();
    assert!(!has_column(&tapped.blueprint.workspace));
    // A statement of later shows that the journal was looked at.
    tapped.blueprint.workspace.run("CREATE TABLE b (id INT)");
    let diff = tapped.settled(|diff| diff.len() >= 2);
    let ddl: Vec<&str> = diff
        .iter()
        .map(|row| row["ddl"].as_str().unwrap())
        .collect();
    assert_eq!(ddl, ["CREATE TABLE a (id INT)", "CREATE TABLE b (id INT)"]);
}

/// Between forward and reply: it took effect, and nobody was told. It is in the diff, once, and
/// marked as found and not as confirmed.
fn a_proxy_killed_before_the_reply_loses_nothing(flavour: Flavour) {
    let mut tapped = Tapped::start("mysql_kill_reply", flavour);
    tapped.server.plan(Plan::HoldReply(LATE.to_owned()));
    let mut session = tapped.ask(LATE);
    tapped.server.wait_met();
    let direct = tapped
        .blueprint
        .workspace
        .at(&tapped.blueprint.fleet.server.address());
    wait::until("the statement to take effect", || {
        has_column(&direct).then_some(())
    });
    tapped.kill_and_resume();
    assert!(session.results().is_err());
    let diff = tapped.settled(|diff| diff.len() >= 2);
    once(&diff);
    assert_eq!(diff[1]["origin"], "inferred", "{diff:#?}");
    tapped.nothing_comes_twice();
}

/// Between the server's reply and the delivery to control.
fn a_proxy_killed_before_it_delivers_loses_nothing(flavour: Flavour) {
    let mut tapped = Tapped::start("mysql_kill_deliver", flavour);
    tapped
        .control
        .plan(Plan::HoldRequest("/internal/v1/captures".to_owned()));
    let mut session = tapped.ask(LATE);
    tapped.control.wait_met();
    tapped.kill_and_resume();
    let _ = session.results();
    let diff = tapped.settled(|diff| diff.len() >= 2);
    once(&diff);
    tapped.nothing_comes_twice();
}

/// The client that asked goes away; nothing else does.
fn a_client_killed_before_its_reply_loses_nothing(flavour: Flavour) {
    let tapped = Tapped::start("mysql_kill_client", flavour);
    tapped.server.plan(Plan::HoldReply(LATE.to_owned()));
    let session = tapped.ask(LATE);
    tapped.server.wait_met();
    drop(session);
    tapped.server.release();
    let diff = tapped.settled(|diff| diff.len() >= 2);
    assert_eq!(diff.len(), 2, "{diff:#?}");
    assert_eq!(diff[1]["ddl"], LATE, "{diff:#?}");
}
