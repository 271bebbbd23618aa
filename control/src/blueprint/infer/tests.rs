use super::*;

fn snapshot(objects: &[(&str, &str)]) -> Snapshot {
    let owned = |(key, text): &(&str, &str)| ((*key).to_owned(), (*text).to_owned());
    Snapshot(objects.iter().map(owned).collect())
}

fn texts(before: &[(&str, &str)], after: &[(&str, &str)]) -> Vec<String> {
    let (before, after) = (snapshot(before), snapshot(after));
    let keys = before.changed(&after);
    let inferred = infer(&before, &after, &keys);
    inferred.into_iter().map(|one| one.ddl).collect()
}

#[test]
fn what_depends_goes_first_and_comes_last() {
    let objects = [
        ("table t", "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB"),
        (
            "view a",
            "character_set_client=x\n\nCREATE VIEW `a` AS select 1 from `b`",
        ),
        (
            "view b",
            "character_set_client=x\n\nCREATE VIEW `b` AS select 1 from `t`",
        ),
        ("trigger g", "sql_mode=\n\nCREATE TRIGGER `g` …"),
    ];
    let made = texts(&[], &objects);
    let heads: Vec<&str> = made.iter().map(|text| &text[..15]).collect();
    assert_eq!(
        heads,
        [
            "CREATE TABLE `t",
            "CREATE VIEW `b`",
            "CREATE VIEW `a`",
            "CREATE TRIGGER "
        ]
    );
    assert_eq!(
        texts(&objects, &[]),
        [
            "DROP TRIGGER `g`",
            "DROP VIEW `a`",
            "DROP VIEW `b`",
            "DROP TABLE `t`"
        ]
    );
}

#[test]
fn a_table_becomes_another_by_one_statement() {
    let before = "CREATE TABLE `t` (\n  `a` int,\n  `b` int,\n  `c` text,\n  KEY `k` (`a`)\n) \
                  ENGINE=InnoDB COMMENT='x'";
    let after = "CREATE TABLE `t` (\n  `c` text,\n  `a` bigint,\n  `d` int,\n  PRIMARY KEY (`a`)\n\
                 ) ENGINE=InnoDB";
    assert_eq!(
        texts(&[("table t", before)], &[("table t", after)]),
        [
            "ALTER TABLE `t` DROP KEY `k`, DROP COLUMN `b`, MODIFY COLUMN `c` text FIRST, \
          MODIFY COLUMN `a` bigint, ADD COLUMN `d` int AFTER `a`, ADD PRIMARY KEY (`a`), \
          COMMENT=''"
        ]
    );
}

#[test]
fn what_was_only_renamed_keeps_its_data() {
    let before = "CREATE TABLE `t` (\n  `a` int,\n  KEY `k` (`a`)\n) ENGINE=InnoDB";
    let column = before.replace("`a`", "`z`");
    assert_eq!(
        texts(&[("table t", before)], &[("table t", &column)]),
        ["ALTER TABLE `t` CHANGE COLUMN `a` `z` int"]
    );
    let table = before.replace("`t`", "`u`");
    assert_eq!(
        texts(&[("table t", before)], &[("table u", &table)]),
        ["RENAME TABLE `t` TO `u`"]
    );
}

#[test]
fn a_program_is_run_with_the_settings_it_was_made_with() {
    let text = "sql_mode=ANSI_QUOTES\ncharacter_set_client=latin1\ncollation_connection=\
                latin1_bin\ndatabase_collation=x\n\nCREATE PROCEDURE `p`()\n\nSELECT 1";
    let after = snapshot(&[("procedure p", text)]);
    let inferred = infer(&Snapshot::default(), &after, &["procedure p".to_owned()]);
    assert_eq!(inferred[0].ddl, "CREATE PROCEDURE `p`()\n\nSELECT 1");
    assert_eq!(inferred[0].context.sql_mode, "ANSI_QUOTES");
    assert_eq!(inferred[0].context.collation_connection, "latin1_bin");
}

#[test]
fn what_did_not_change_gives_nothing() {
    let objects = [("table t", "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB")];
    let same = snapshot(&objects);
    assert!(infer(&same, &same, &["table t".to_owned(), "view v".to_owned()]).is_empty());
}
