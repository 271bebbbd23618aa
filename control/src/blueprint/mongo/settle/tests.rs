use mongodb::bson::{Document, doc};
use tenantsdb_codecs::feed::capture::Capture;

use super::super::normal::{add_collection, add_index};
use super::*;
use crate::blueprint::{Excluded, Snapshot};

/// Collections with their options, and indexes by collection and field.
fn snapshot(collections: &[(&str, Document)], indexes: &[(&str, &str)]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (name, options) in collections {
        let listed = doc! {"name": *name, "type": "collection", "options": options.clone()};
        add_collection(&mut snapshot, &listed);
    }
    for (of, field) in indexes {
        let listed = doc! {"v": 2, "key": {*field: 1}, "name": format!("{field}_1")};
        add_index(&mut snapshot, of, &listed);
    }
    snapshot
}

fn create(name: &str) -> String {
    format!(r#"{{"create":"{name}"}}"#)
}

fn index(of: &str, field: &str) -> String {
    let index = format!(r#"{{"key":{{"{field}":1}},"name":"{field}_1"}}"#);
    format!(r#"{{"createIndexes":"{of}","indexes":[{index}]}}"#)
}

fn captured(id: usize, outcome: Outcome, text: &str) -> (Capture, OffsetDateTime) {
    let statement = CapturedStatement {
        text: text.to_owned(),
        outcome,
        ..CapturedStatement::default()
    };
    let capture = Capture {
        id: format!("s:{id}"),
        database: "a_dev".to_owned(),
        pid: 7,
        user: "a_dev".to_owned(),
        application_name: String::new(),
        statements: vec![statement],
        context: None,
    };
    (capture, OffsetDateTime::UNIX_EPOCH)
}

fn done(texts: &[String]) -> Vec<(Capture, OffsetDateTime)> {
    let numbered = texts.iter().enumerate();
    numbered
        .map(|(id, text)| captured(id, Outcome::Done, text))
        .collect()
}

struct Case<'a> {
    before: Snapshot,
    after: Snapshot,
    captures: Vec<(Capture, OffsetDateTime)>,
    alive: &'a [i64],
}

impl Case<'_> {
    fn settle(&self, patience: Patience) -> Settled {
        settle(&Settling {
            workspace: "a_dev",
            before: &self.before,
            after: &self.after,
            captures: &self.captures,
            alive: self.alive,
            busy: false,
            patience,
            excluded: &Excluded::default(),
            now: OffsetDateTime::UNIX_EPOCH,
        })
    }

    fn settled(&self, patience: Patience) -> Settlement {
        match self.settle(patience) {
            Settled::Now(settlement) => settlement,
            Settled::Wait => panic!("it waits"),
        }
    }
}

fn texts(settlement: &Settlement) -> Vec<(String, Origin)> {
    let statements = settlement.versions.iter().flatten();
    statements
        .map(|statement| {
            let command = json::read(&statement.ddl).unwrap();
            let (name, target) = command.iter().next().unwrap();
            (
                format!("{name} {}", target.as_str().unwrap()),
                statement.origin,
            )
        })
        .collect()
}

fn is(text: &str, origin: Origin) -> (String, Origin) {
    (text.to_owned(), origin)
}

#[test]
fn confirmed_commands_about_what_changed_are_recorded_in_order() {
    let case = Case {
        before: Snapshot::default(),
        after: snapshot(&[("users", doc! {})], &[("users", "a")]),
        captures: done(&[
            create("users"),
            index("users", "a"),
            create("passing"),
            r#"{"drop":"passing"}"#.to_owned(),
            create("schema_migrations"),
            r#"{"dropDatabase":1}"#.to_owned(),
        ]),
        alive: &[],
    };
    let settlement = case.settled(Patience::Waits);
    let expected = [
        is("create users", Origin::Wire),
        is("createIndexes users", Origin::Wire),
    ];
    assert_eq!(texts(&settlement), expected);
    assert_eq!(settlement.spent.len(), 6);
    assert_eq!(settlement.snapshot, case.after);
}

#[test]
fn what_was_made_under_another_name_belongs_to_it() {
    let case = Case {
        before: Snapshot::default(),
        after: snapshot(&[("people", doc! {})], &[]),
        captures: done(&[
            create("users"),
            r#"{"renameCollection":"a_dev.users","to":"a_dev.people"}"#.to_owned(),
        ]),
        alive: &[],
    };
    let expected = [
        is("create users", Origin::Wire),
        is("renameCollection a_dev.users", Origin::Wire),
    ];
    assert_eq!(texts(&case.settled(Patience::Waits)), expected);
}

#[test]
fn what_nothing_explains_is_waited_for_and_then_inferred_before_who_speaks_of_it() {
    let case = Case {
        before: Snapshot::default(),
        after: snapshot(&[("users", doc! {}), ("log", doc! {})], &[("users", "a")]),
        captures: done(&[index("users", "a"), create("log")]),
        alive: &[],
    };
    // An index says that its collection is there; it may have been made by it.
    let mut case = case;
    case.captures.remove(0);
    assert_eq!(case.settle(Patience::Waits), Settled::Wait);
    let partial = case.settled(Patience::Partial);
    assert_eq!(texts(&partial), [is("create log", Origin::Wire)]);
    assert_eq!(partial.snapshot, snapshot(&[("log", doc! {})], &[]));
    let over = case.settled(Patience::Over);
    let expected = [
        is("create log", Origin::Wire),
        is("create users", Origin::Inferred),
        is("createIndexes users", Origin::Inferred),
    ];
    assert_eq!(texts(&over), expected);
    assert_eq!(over.snapshot, case.after);
}

#[test]
fn an_index_of_a_collection_that_a_version_makes_is_behind_it() {
    let series = doc! {"timeseries": {"timeField": "t", "metaField": "m"}};
    let case = Case {
        before: Snapshot::default(),
        after: snapshot(&[("users", series)], &[("users", "a")]),
        captures: done(&[
            r#"{"create":"users","timeseries":{"timeField":"t","metaField":"m"}}"#.to_owned(),
        ]),
        alive: &[],
    };
    let partial = case.settled(Patience::Partial);
    assert_eq!(texts(&partial), [is("create users", Origin::Wire)]);
    let expected = [
        is("create users", Origin::Wire),
        is("createIndexes users", Origin::Inferred),
    ];
    assert_eq!(texts(&case.settled(Patience::Over)), expected);
}

/// Renamed past the proxy, between commands about both names.
#[test]
fn a_renamed_collection_keeps_its_documents_between_what_is_said_of_both_names() {
    let mut case = Case {
        before: snapshot(&[("users", doc! {})], &[("users", "a")]),
        after: snapshot(&[("people", doc! {})], &[("people", "a"), ("people", "b")]),
        captures: done(&[index("people", "b")]),
        alive: &[],
    };
    let rename = is("renameCollection users", Origin::Inferred);
    let expected = [rename.clone(), is("createIndexes people", Origin::Wire)];
    assert_eq!(texts(&case.settled(Patience::Over)), expected);
    // What is said of the old name is said before.
    case.captures = done(&[r#"{"collMod":"users","validator":{}}"#.to_owned()]);
    case.after = snapshot(&[("people", doc! {})], &[("people", "a")]);
    let settled = texts(&case.settled(Patience::Over));
    assert_eq!(settled.last(), Some(&rename), "{settled:?}");
}

#[test]
fn what_a_dropped_collection_was_is_not_made_again_behind_its_end() {
    let case = Case {
        before: snapshot(&[("users", doc! {})], &[]),
        after: snapshot(&[("people", doc! {})], &[("people", "a"), ("people", "b")]),
        captures: done(&[index("users", "a"), index("users", "c")]),
        alive: &[],
    };
    let expected = [
        is("createIndexes users", Origin::Wire),
        is("createIndexes users", Origin::Wire),
        is("drop users", Origin::Inferred),
        is("create people", Origin::Inferred),
        is("createIndexes people", Origin::Inferred),
    ];
    assert_eq!(texts(&case.settled(Patience::Over)), expected);
}

/// The server here may not list them.
#[test]
fn commands_about_search_indexes_are_recorded_where_nothing_shows() {
    let create = |of: &str| {
        format!(r#"{{"createSearchIndexes":"{of}","indexes":[{{"name":"s","definition":{{}}}}]}}"#)
    };
    let case = Case {
        before: snapshot(&[("users", doc! {})], &[]),
        after: snapshot(&[("users", doc! {})], &[]),
        captures: done(&[create("users"), create("passing")]),
        alive: &[],
    };
    let expected = [is("createSearchIndexes users", Origin::Wire)];
    assert_eq!(texts(&case.settled(Patience::Waits)), expected);
}

#[test]
fn a_command_whose_end_nobody_saw_counts_if_its_effect_is_there() {
    let unknown = |text: &str| vec![captured(0, Outcome::Unknown, text)];
    let mut case = Case {
        before: Snapshot::default(),
        after: snapshot(&[("users", doc! {})], &[]),
        captures: unknown(&create("users")),
        alive: &[],
    };
    let expected = [is("create users", Origin::Inferred)];
    assert_eq!(texts(&case.settled(Patience::Waits)), expected);
    case.captures = unknown(&create("other"));
    case.before = case.after.clone();
    let nothing = case.settled(Patience::Waits);
    assert_eq!((texts(&nothing).len(), nothing.spent.len()), (0, 1));
    // It still runs.
    case.alive = &[7];
    let kept = case.settled(Patience::Waits);
    assert_eq!((kept.kept.len(), kept.spent.len()), (1, 0));
}
