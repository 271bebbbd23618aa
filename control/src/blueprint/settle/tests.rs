use tenantsdb_codecs::feed::capture::{CapturedStatement, Context};

use super::*;

/// A schema of these objects; the definition is what stands behind the colon.
fn snapshot(objects: &[&str]) -> Snapshot {
    let mut all = BTreeMap::from([("schema".to_owned(), "utf8mb4".to_owned())]);
    for object in objects {
        let (key, definition) = object.split_once(':').unwrap_or((object, ""));
        all.insert(key.to_owned(), definition.to_owned());
    }
    Snapshot(all)
}

fn said(text: &str) -> CapturedStatement {
    CapturedStatement {
        text: text.to_owned(),
        ..CapturedStatement::default()
    }
}

/// A note came with the confirmation.
fn noted(text: &str) -> CapturedStatement {
    CapturedStatement {
        warnings: 1,
        ..said(text)
    }
}

fn unknown(text: &str) -> CapturedStatement {
    CapturedStatement {
        outcome: Outcome::Unknown,
        ..said(text)
    }
}

/// A command of thread `pid`.
fn capture(pid: i64, statements: &[CapturedStatement]) -> Capture {
    Capture {
        id: format!("s{pid}:{}", statements.first().map_or("", |s| &s.text)),
        database: "a_dev".to_owned(),
        pid,
        user: "a_dev".to_owned(),
        application_name: "mysql".to_owned(),
        statements: statements.to_vec(),
        context: Some(Context {
            sql_mode: "STRICT_TRANS_TABLES".to_owned(),
            ..Context::default()
        }),
    }
}

/// One command of one statement, of thread 1.
fn one(text: &str) -> Capture {
    capture(1, &[said(text)])
}

struct Case {
    before: Snapshot,
    after: Snapshot,
    captures: Vec<Capture>,
    alive: Vec<i64>,
    busy: bool,
    patience: Patience,
}

// === impl Case ===

impl Case {
    fn new(before: &[&str], after: &[&str], captures: Vec<Capture>) -> Self {
        Self {
            before: snapshot(before),
            after: snapshot(after),
            captures,
            alive: Vec::new(),
            busy: false,
            patience: Patience::Over,
        }
    }

    fn settled(&self) -> Settled {
        let captures: Vec<(Capture, OffsetDateTime)> = self
            .captures
            .iter()
            .map(|capture| (capture.clone(), OffsetDateTime::UNIX_EPOCH))
            .collect();
        let given = Settling {
            workspace: "a_dev",
            before: &self.before,
            after: &self.after,
            captures: &captures,
            alive: &self.alive,
            busy: self.busy,
            patience: self.patience,
            excluded: &Excluded::default(),
            now: OffsetDateTime::UNIX_EPOCH,
        };
        settle_by(&given, made)
    }

    fn settlement(&self) -> Settlement {
        match self.settled() {
            Settled::Now(settlement) => settlement,
            Settled::Wait => panic!("it waits"),
        }
    }

    /// Versions as texts, everything being used up.
    fn versions(&self) -> Vec<Vec<String>> {
        let settlement = self.settlement();
        assert!(settlement.kept.is_empty(), "{settlement:?}");
        assert_eq!(settlement.spent.len(), self.captures.len());
        assert_eq!(settlement.snapshot, self.after);
        texts_of(&settlement)
    }
}

/// Texts of versions; those that the server was not heard to confirm, and those that were made from
/// the difference, have a `?` before them.
fn texts_of(settlement: &Settlement) -> Vec<Vec<String>> {
    let text = |statement: &Statement| match statement.origin {
        Origin::Inferred => format!("? {}", statement.ddl),
        _ => statement.ddl.clone(),
    };
    let versions = settlement.versions.iter();
    versions
        .map(|version| version.iter().map(text).collect())
        .collect()
}

/// In place of DDL, the keys that it is to be made for.
fn made(before: &Snapshot, after: &Snapshot, keys: &[String]) -> Vec<Inferred> {
    assert_eq!(before.changed(after), keys, "all else is explained");
    let inferred = |key: &String| Inferred {
        key: key.clone(),
        ddl: key.clone(),
        context: Context::default(),
    };
    keys.iter().map(inferred).collect()
}

const T: &str = "table t:(`id` int)";
const T2: &str = "table t:(`id` int, `x` int)";
const U: &str = "table u:(`id` int)";
const ADD_X: &str = "ALTER TABLE t ADD x int";

#[test]
fn a_command_that_changed_something_is_a_version_in_its_own_words() {
    let case = Case::new(&[], &[T], vec![one("CREATE TABLE t (id int);")]);
    assert_eq!(case.versions(), [["CREATE TABLE t (id int)"]]);
    let statement = &case.settlement().versions[0][0];
    assert_eq!(statement.tag, "CREATE TABLE");
    assert_eq!(statement.origin, Origin::Wire);
    assert!(statement.deploy);
    assert_eq!(statement.application_name, "mysql");
    let context = statement.context.as_ref().unwrap();
    assert_eq!(context.sql_mode, "STRICT_TRANS_TABLES");
}

#[test]
fn several_statements_of_one_command_are_one_version_up_to_the_one_that_failed() {
    // CREATE TABLE u was refused: the proxy reports what was confirmed, the rest never ran.
    let script = capture(
        1,
        &[
            said("CREATE TABLE t (id int)"),
            said("INSERT INTO t VALUES (1)"),
            said(ADD_X),
        ],
    );
    let case = Case::new(&[], &[T2], vec![script]);
    assert_eq!(case.versions(), [["CREATE TABLE t (id int)", ADD_X]]);
}

#[test]
fn commands_are_versions_in_the_order_of_their_arrival() {
    let captures = vec![
        capture(1, &[said("CREATE TABLE t (id int)")]),
        capture(2, &[said("CREATE TABLE u (id int)")]),
        capture(1, &[said(ADD_X)]),
    ];
    let case = Case::new(&[], &[T2, U], captures);
    assert_eq!(
        case.versions(),
        [
            ["CREATE TABLE t (id int)"],
            ["CREATE TABLE u (id int)"],
            [ADD_X]
        ]
    );
}

#[test]
fn both_of_two_sessions_that_alter_one_table_are_recorded() {
    let captures = vec![
        capture(1, &[said("ALTER TABLE t ADD x int")]),
        capture(2, &[said("CREATE INDEX i ON t (id)")]),
    ];
    let case = Case::new(&[T], &[T2], captures);
    assert_eq!(
        case.versions(),
        [["ALTER TABLE t ADD x int"], ["CREATE INDEX i ON t (id)"]]
    );
}

#[test]
fn a_change_that_is_explained_in_part_waits_for_the_other_session() {
    let both = "table t:(`id` int, `x` int, `y` int)";
    let mut case = Case::new(&[T], &[both], vec![one(ADD_X)]);
    case.patience = Patience::Waits;
    assert_eq!(case.settled(), Settled::Wait);
    case.captures
        .push(capture(2, &[said("ALTER TABLE t ADD y int")]));
    assert_eq!(case.versions(), [[ADD_X], ["ALTER TABLE t ADD y int"]]);
    case.captures.pop();
    case.patience = Patience::Over;
    assert_eq!(case.versions(), [[ADD_X]], "it does not come");
}

/// Control was away: what came later has happened when the first captures come.
#[test]
fn captures_that_come_late_are_versions_in_their_own_words_and_order() {
    let texts = [
        "CREATE TABLE t (id int, FOREIGN KEY (id) REFERENCES u (id))",
        "CREATE TABLE u2 (id int)",
        ADD_X,
        "CREATE VIEW v AS SELECT x FROM t",
        "CREATE TABLE last (id int)",
    ];
    let after = [
        "table t:(`id` int, `x` int, CONSTRAINT `t_ibfk_1`, KEY `id_2` (`id`))",
        "table u2:(`id` int)",
        "view v:",
        "table last:(`id` int)",
    ];
    let mut before = snapshot(&[]);
    let mut inbox = Vec::new();
    let mut versions = Vec::new();
    for text in texts {
        inbox.push(one(text));
        let case = Case {
            before: before.clone(),
            after: snapshot(&after),
            captures: inbox.clone(),
            patience: Patience::Partial,
            ..Case::new(&[], &[], Vec::new())
        };
        if let Settled::Now(settlement) = case.settled() {
            versions.extend(texts_of(&settlement));
            before = settlement.snapshot;
            inbox.retain(|capture| !settlement.spent.contains(&capture.id));
        }
    }
    assert_eq!(versions, texts.map(|text| [text]));
    assert!(inbox.is_empty());
}

#[test]
fn what_came_of_a_call_is_not_passed_by_what_speaks_of_it() {
    let captures = vec![
        one("CALL make_t()"),
        one("CREATE VIEW v AS SELECT 1 FROM t"),
    ];
    let mut case = Case::new(&[], &[T, "view v:"], captures);
    case.patience = Patience::Partial;
    assert_eq!(case.settled(), Settled::Wait);
    case.patience = Patience::Over;
    case.busy = true;
    assert_eq!(case.settled(), Settled::Wait);
    case.busy = false;
    assert_eq!(case.versions()[0], ["? table t"]);
}

#[test]
fn what_was_inferred_is_not_there_twice_when_its_captures_come() {
    let captures = vec![
        one(ADD_X),
        one("CREATE INDEX i ON t (x)"),
        one("CREATE TABLE u (id int)"),
    ];
    for patience in [Patience::Partial, Patience::Over] {
        let mut case = Case::new(&[T2, U], &[T2, U], captures.clone());
        case.patience = patience;
        assert!(case.versions().is_empty());
    }
}

#[test]
fn what_reads_and_writes_is_no_version() {
    let script = capture(1, &[said("SELECT 1"), said("TRUNCATE TABLE t"), said("")]);
    let case = Case::new(&[T], &[T], vec![script]);
    assert!(case.versions().is_empty());
}

#[test]
fn what_a_call_or_a_prepared_text_did_is_made_from_the_difference() {
    for text in [
        "CALL migrate()",
        "EXECUTE s",
        "EXECUTE IMMEDIATE @q",
        "", // A text that the proxy could not read.
    ] {
        let case = Case::new(&[], &[T], vec![one(text)]);
        assert_eq!(case.versions(), [["? table t"]], "{text}");
    }
}

#[test]
fn a_call_that_committed_and_then_failed_is_found_by_what_it_left() {
    let failed = capture(1, &[unknown("CALL half()")]);
    let case = Case::new(&[T], &[T2], vec![failed]);
    assert_eq!(case.versions(), [["? table t"]]);
}

#[test]
fn what_an_event_or_a_session_past_the_proxies_did_is_made_from_the_difference() {
    let mut case = Case::new(&[], &[T], Vec::new());
    assert_eq!(case.versions(), [["? table t"]]);
    let statement = &case.settlement().versions[0][0];
    assert_eq!((statement.user.as_str(), statement.deploy), ("", true));
    assert!(statement.context.is_some());
    case.patience = Patience::Waits;
    assert_eq!(
        case.settled(),
        Settled::Wait,
        "its capture may be on its way"
    );
}

#[test]
fn what_is_explained_is_not_waited_for() {
    let mut case = Case::new(&[], &[T], vec![one("CREATE TABLE t (id int)")]);
    case.patience = Patience::Waits;
    assert_eq!(case.versions(), [["CREATE TABLE t (id int)"]]);
}

#[test]
fn while_others_are_at_work_what_nothing_explains_is_left_for_later() {
    let mut case = Case::new(&[], &[T, U], vec![one("CREATE TABLE t (id int)")]);
    case.busy = true;
    let settlement = case.settlement();
    assert_eq!(texts_of(&settlement), [["CREATE TABLE t (id int)"]]);
    assert_eq!(settlement.snapshot, snapshot(&[T]));
    // The next one finds the rest.
    let next = Case {
        before: settlement.snapshot,
        captures: Vec::new(),
        busy: false,
        ..case
    };
    assert_eq!(next.versions(), [["? table u"]]);
}

#[test]
fn inferred_changes_come_before_what_speaks_of_them_and_behind_all_else() {
    let view = "CREATE VIEW v AS SELECT * FROM t";
    let captures = vec![
        one("CREATE TABLE u (id int)"),
        one("CALL make_t()"),
        one(view),
    ];
    let case = Case::new(&[], &[T, U, "view v:"], captures);
    assert_eq!(
        case.versions(),
        [["CREATE TABLE u (id int)"], ["? table t"], [view]]
    );
    let case = Case::new(&[], &[T, U], vec![one("CREATE TABLE u (id int)")]);
    assert_eq!(
        case.versions(),
        [["CREATE TABLE u (id int)"], ["? table t"]]
    );
}

#[test]
fn temporary_tables_are_no_part_of_the_blueprint() {
    let script = capture(
        1,
        &[
            said("CREATE TEMPORARY TABLE tmp (id int)"),
            said("ALTER TABLE tmp ADD x int"),
            said("CREATE INDEX i ON tmp (x)"),
            said("DROP TABLE tmp"),
        ],
    );
    let case = Case::new(&[T], &[T], vec![script]);
    assert!(case.versions().is_empty());
}

#[test]
fn if_not_exists_that_did_nothing_is_no_version() {
    for text in [
        "CREATE TABLE IF NOT EXISTS t (id int)",
        "CREATE INDEX IF NOT EXISTS i ON t (id)",
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS x int",
        "DROP TABLE IF EXISTS gone",
    ] {
        let case = Case::new(&[T2], &[T2], vec![capture(1, &[noted(text)])]);
        assert!(case.versions().is_empty(), "{text}");
    }
    // Also beside a statement about the same table that did something.
    let script = capture(
        1,
        &[noted("CREATE TABLE IF NOT EXISTS t (id int)"), said(ADD_X)],
    );
    let case = Case::new(&[T], &[T2], vec![script]);
    assert_eq!(case.versions(), [[ADD_X]]);
}

#[test]
fn a_warning_does_not_hide_what_was_done() {
    // Display widths and the like are warned of, and one of two tables was there.
    for (text, before, after) in [
        (
            "CREATE TABLE IF NOT EXISTS t (id int(11))",
            &[][..],
            &[T][..],
        ),
        ("DROP TABLE IF EXISTS t, gone", &[T], &[]),
        ("CREATE OR REPLACE TABLE t (id int, x int)", &[T], &[T2]),
        (
            "ALTER TABLE t ADD COLUMN IF NOT EXISTS id int, ADD COLUMN x int",
            &[T],
            &[T2],
        ),
    ] {
        let case = Case::new(before, after, vec![capture(1, &[noted(text)])]);
        assert_eq!(case.versions(), [[text]]);
    }
}

#[test]
fn a_table_made_of_a_query_keeps_its_query() {
    let text = "CREATE TABLE u SELECT id FROM t";
    let case = Case::new(&[T], &[T, U], vec![one(text)]);
    assert_eq!(case.versions(), [[text]]);
}

#[test]
fn a_table_made_of_a_temporary_one_is_made_from_the_difference() {
    for text in [
        "CREATE TABLE u SELECT * FROM tmp",
        "CREATE TABLE u LIKE tmp",
    ] {
        let captures = vec![one("CREATE TEMPORARY TABLE tmp (id int)"), one(text)];
        let case = Case::new(&[T], &[T, U], captures);
        assert_eq!(case.versions(), [["? table u"]], "{text}");
    }
    let text = "CREATE TABLE u SELECT 1 AS id";
    let case = Case::new(&[], &[U], vec![one(text)]);
    assert_eq!(case.versions(), [[text]]);
}

#[test]
fn a_statement_explains_what_it_is_about_and_not_what_it_reads() {
    // What changed t is the CALL, not the table that was made of it.
    let captures = vec![
        one("CALL alter_t()"),
        one("CREATE TABLE u SELECT id FROM t"),
    ];
    let case = Case::new(&[T], &[T2, U], captures);
    assert_eq!(
        case.versions(),
        [["? table t"], ["CREATE TABLE u SELECT id FROM t"]]
    );
}

#[test]
fn renamed_tables_take_what_hangs_on_them_along() {
    let trigger = "trigger tr:CREATE TRIGGER tr BEFORE INSERT ON `t` FOR EACH ROW SET @a = 1";
    let renamed = "trigger tr:CREATE TRIGGER tr BEFORE INSERT ON `t2` FOR EACH ROW SET @a = 1";
    let child = "table child:... CONSTRAINT `c` FOREIGN KEY (`id`) REFERENCES `t` (`id`)";
    let child2 = "table child:... CONSTRAINT `c` FOREIGN KEY (`id`) REFERENCES `t2` (`id`)";
    for text in ["RENAME TABLE t TO t2", "ALTER TABLE t RENAME TO t2"] {
        let case = Case::new(
            &[T, trigger, child],
            &["table t2:", renamed, child2],
            vec![one(text)],
        );
        assert_eq!(case.versions(), [[text]]);
    }
    let case = Case::new(&[T, trigger], &[], vec![one("DROP TABLE t")]);
    assert_eq!(case.versions(), [["DROP TABLE t"]]);
}

#[test]
fn triggers_and_their_order_are_explained_by_the_trigger() {
    let text =
        "CREATE DEFINER=`t`@`%` TRIGGER tr AFTER INSERT ON t FOR EACH ROW FOLLOWS tr1 SET @a = 1";
    let case = Case::new(
        &[T, "trigger tr1:ON `t`"],
        &[
            T,
            "trigger tr1:ON `t`",
            "trigger tr:ON `t`",
            "order t:tr1,tr",
        ],
        vec![one(text)],
    );
    assert_eq!(case.versions(), [[text]]);
}

#[test]
fn the_order_of_triggers_goes_with_one_of_them() {
    let case = Case::new(
        &[
            T,
            "trigger t1:ON `t`",
            "trigger t2:ON `t`",
            "order t:BEFORE INSERT t1 t2",
        ],
        &[T, "trigger t2:ON `t`"],
        vec![one("DROP TRIGGER t1")],
    );
    assert_eq!(case.versions(), [["DROP TRIGGER t1"]]);
}

#[test]
fn programs_views_and_the_schema_itself_are_explained_by_kind_and_name() {
    for (key, text) in [
        ("procedure t:", "CREATE PROCEDURE t() SELECT 1"),
        (
            "function f:",
            "CREATE FUNCTION a_dev.f() RETURNS INT RETURN 1",
        ),
        (
            "event e:",
            "CREATE EVENT IF NOT EXISTS `e` ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        ),
        (
            "view v:",
            "CREATE OR REPLACE ALGORITHM=MERGE DEFINER=`x`@`%` VIEW `v` AS SELECT 1",
        ),
        ("sequence s:", "CREATE SEQUENCE s"),
        ("package-body p:", "CREATE PACKAGE BODY p AS END"),
        ("table event:", "CREATE TABLE `event` (id int)"),
        ("table Users:", "CREATE TABLE Users (id int)"),
        ("schema:latin1", "ALTER DATABASE a_dev CHARACTER SET latin1"),
    ] {
        let case = Case::new(&[T], &[T, key], vec![one(text)]);
        assert_eq!(case.versions(), [[text]]);
    }
    // A procedure of a table's name says nothing of the table.
    let case = Case::new(&[], &[T], vec![one("CREATE PROCEDURE t() SELECT 1")]);
    assert_eq!(case.versions(), [["? table t"]]);
}

#[test]
fn what_was_made_and_dropped_meanwhile_is_kept_for_what_needs_it() {
    let script = capture(
        1,
        &[
            said("CREATE TABLE plan (id int)"),
            said("CREATE TABLE t LIKE plan"),
            said("DROP TABLE plan"),
        ],
    );
    let case = Case::new(&[], &[T], vec![script.clone()]);
    assert_eq!(case.versions()[0].len(), 3);
    // Nobody needs it, nobody has it.
    let made = capture(
        1,
        &[said("CREATE TABLE plan (id int)"), said("DROP TABLE plan")],
    );
    let case = Case::new(&[], &[], vec![made]);
    assert!(case.versions().is_empty());
    let captures = vec![one(ADD_X), one("ALTER TABLE t DROP x")];
    let case = Case::new(&[T], &[T], captures);
    assert!(case.versions().is_empty(), "changed and changed back");
}

#[test]
fn a_statement_alone_that_left_everything_as_it_was_is_no_version() {
    for text in ["ALTER TABLE t ENGINE=InnoDB", ADD_X, "DROP TABLE tmp"] {
        let case = Case::new(&[T], &[T], vec![one(text)]);
        assert!(case.versions().is_empty(), "{text}");
    }
}

#[test]
fn history_tables_are_no_part_of_the_blueprint() {
    let script = capture(
        1,
        &[
            said("create table if not exists `knex_migrations` (id int)"),
            said("CREATE TABLE `SequelizeMeta` (name varchar(255))"),
            said("ALTER TABLE django_migrations ADD x int"),
            said("CREATE INDEX i ON alembic_version (version_num)"),
            said("DROP TABLE flyway_schema_history"),
            said("CREATE TABLE t (id int)"),
        ],
    );
    let case = Case::new(&[], &[T], vec![script]);
    assert_eq!(case.versions(), [["CREATE TABLE t (id int)"]]);
    // Its text would fail where the history table is not.
    let case = Case::new(&[T], &[], vec![one("DROP TABLE knex_migrations, t")]);
    assert_eq!(case.versions(), [["? table t"]]);
}

#[test]
fn accounts_and_privileges_are_recorded_and_not_deployed() {
    let case = Case::new(&[T], &[T], vec![one("GRANT SELECT ON a_dev.t TO someone")]);
    assert_eq!(case.versions().len(), 1);
    assert!(!case.settlement().versions[0][0].deploy);
}

#[test]
fn an_unknown_end_whose_effect_is_there_is_a_version() {
    let case = Case::new(&[T], &[T2], vec![capture(1, &[unknown(ADD_X)])]);
    assert_eq!(case.versions(), [[format!("? {ADD_X}")]]);
    // Also while its thread still runs.
    let case = Case {
        alive: vec![1],
        ..case
    };
    assert_eq!(case.versions(), [[format!("? {ADD_X}")]]);
}

#[test]
fn an_unknown_end_without_effect_is_nothing_once_its_thread_is_gone() {
    let case = Case::new(&[T], &[T], vec![capture(1, &[unknown(ADD_X)])]);
    assert!(case.versions().is_empty());
}

#[test]
fn an_unknown_end_is_open_while_its_thread_runs() {
    let script = capture(1, &[said("CREATE TABLE u (id int)"), unknown(ADD_X)]);
    let mut case = Case::new(&[T], &[T, U], vec![script]);
    case.alive = vec![1];
    let settlement = case.settlement();
    assert_eq!(texts_of(&settlement), [["CREATE TABLE u (id int)"]]);
    assert!(settlement.spent.is_empty());
    assert_eq!(settlement.kept.len(), 1);
    assert_eq!(settlement.kept[0].statements, [unknown(ADD_X)]);
    // What was confirmed is not there twice when it has ended.
    let next = Case {
        before: settlement.snapshot,
        after: snapshot(&[T2, U]),
        captures: settlement.kept,
        ..Case::new(&[], &[], Vec::new())
    };
    assert_eq!(next.versions(), [[format!("? {ADD_X}")]]);
}

#[test]
fn an_unknown_end_counts_only_where_nothing_known_explains_the_change() {
    let captures = vec![capture(1, &[unknown("CREATE TABLE t (id int)")]), {
        capture(2, &[said("CREATE TABLE t (id int)")])
    }];
    let case = Case::new(&[], &[T], captures);
    assert_eq!(case.versions(), [["CREATE TABLE t (id int)"]]);
    // An ALTER makes no table: the CREATE whose end nobody saw did.
    let captures = vec![
        capture(1, &[unknown("CREATE TABLE t (id int)")]),
        capture(2, &[said(ADD_X)]),
    ];
    let case = Case::new(&[], &[T2], captures);
    assert_eq!(case.versions(), [["? CREATE TABLE t (id int)"], [ADD_X]]);
}

#[test]
fn an_import_by_mysqldump_is_its_creates() {
    let create = "CREATE TABLE `t` (\n  `id` int(11) DEFAULT NULL\n) ENGINE=InnoDB";
    let captures = [
        "/*!40101 SET NAMES utf8mb4 */",
        "DROP TABLE IF EXISTS `t`",
        create,
        "LOCK TABLES `t` WRITE",
        "/*!40000 ALTER TABLE `t` DISABLE KEYS */",
        "INSERT INTO `t` VALUES (1)",
        "UNLOCK TABLES",
    ];
    let mut before = snapshot(&[]);
    let mut versions = Vec::new();
    for text in captures {
        let after = match before.0.len() {
            1 if text == create => snapshot(&[T]),
            _ => before.clone(),
        };
        let case = Case {
            before,
            after,
            captures: vec![one(text)],
            ..Case::new(&[], &[], Vec::new())
        };
        versions.extend(case.versions());
        before = case.after;
    }
    assert_eq!(versions, [[create]]);
}
