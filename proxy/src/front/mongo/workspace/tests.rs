use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tenantsdb_codecs::mongo::bson::{Value, Writer};
use tenantsdb_codecs::mongo::command::{Verdict, decide};
use tokio::task::JoinHandle;

use super::*;
use crate::context::Record;
use crate::ddl::journal;
use crate::ddl::redeliver::{self, Recipient, Redelivery, Refusal};
use crate::fake;

const DATABASE: &str = "myapp_dev";

/// A server that has collections, and answers each listing as it is told.
#[derive(Debug, Default)]
struct Mongod {
    collections: BTreeSet<String>,
    listings: usize,
    /// It is gone.
    lost: bool,
    /// It does not list.
    silent: bool,
}

impl Server for Mongod {
    type Error = &'static str;

    async fn ask(&mut self, command: &[u8]) -> Result<Vec<u8>, &'static str> {
        if self.lost {
            return Err("lost");
        }
        self.listings += 1;
        let command = Document::whole(command).unwrap();
        assert_eq!(command.first().unwrap().unwrap().0, "listCollections");
        assert_eq!(
            command.get("$db").unwrap().unwrap().as_str(),
            Some(DATABASE)
        );
        let filter = command
            .get("filter")
            .unwrap()
            .unwrap()
            .as_document()
            .unwrap();
        let name = filter.get("name").unwrap().and_then(|name| name.as_str());
        let mut reply = Writer::new();
        reply.document("cursor", |cursor| {
            cursor.i64("id", 0).array("firstBatch", |batch| {
                for collection in &self.collections {
                    if name.is_none_or(|name| name == collection) {
                        batch.document(|w| _ = w.str("name", collection));
                    }
                }
            });
        });
        reply.f64("ok", if self.silent { 0.0 } else { 1.0 });
        Ok(reply.finish())
    }
}

/// What control has been given.
#[derive(Clone, Debug, Default)]
struct Control(Arc<Mutex<Vec<Capture>>>);

impl Recipient for Control {
    async fn take(&self, capture: &Capture) -> Result<(), Refusal> {
        self.0.lock().unwrap().push(capture.clone());
        Ok(())
    }
}

/// A session of a workspace whose proxy has a journal, and no way to control but redelivery.
struct Play {
    context: Arc<Context>,
    recorder: Recorder,
    mongod: Mongod,
    dir: tempfile::TempDir,
    keeper: JoinHandle<()>,
    redelivery: Option<Redelivery>,
    journal: journal::Journal,
}

impl Play {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (journal, keeper, left_over) = journal::open(dir.path()).unwrap();
        assert_eq!(left_over, []);
        let (undelivered, redelivery) = redeliver::channel(left_over);
        let config = fake::config();
        let tls = crate::tls::Tls::load(&config).unwrap();
        let (captures, _) = ddl::channel();
        let record = Record {
            journal: journal.clone(),
            undelivered,
        };
        let author = Author {
            session: "s".to_owned(),
            database: DATABASE.to_owned(),
            user: DATABASE.to_owned(),
            application_name: "mongosh".to_owned(),
        };
        Self {
            context: Context::new(config, tls, captures, Some(record)).unwrap(),
            recorder: Recorder::new(author),
            mongod: Mongod::default(),
            dir,
            keeper: tokio::task::spawn_local(keeper.run()),
            redelivery: Some(redelivery),
            journal,
        }
    }

    async fn before(&mut self, command: &[u8]) -> Before {
        let request = Request::read(Document::whole(command).unwrap()).unwrap();
        let Verdict::Forward(facts) = decide(&request, DATABASE, true).unwrap() else {
            panic!("it goes on");
        };
        let (server, request) = ((&mut self.mongod, 7), (&request, &facts));
        let before = self.recorder.before(&self.context, server, request, &[]);
        before.await.unwrap()
    }

    async fn after(&mut self, pending: Box<Pending>, reply: &[u8]) {
        let reply = Reply::Came(Document::whole(reply).unwrap());
        let server = &mut self.mongod;
        let after = self.recorder.after(&self.context, server, pending, reply);
        after.await.unwrap();
    }

    /// A command from end to end; the server makes these collections meanwhile. Answers whether it
    /// was held.
    async fn run(&mut self, command: &[u8], makes: &[&str], reply: &[u8]) -> bool {
        let before = self.before(command).await;
        let makes = makes.iter().map(|name| (*name).to_owned());
        self.mongod.collections.extend(makes);
        match before {
            Before::Pass => false,
            Before::Hold(pending) => {
                self.after(pending, reply).await;
                true
            }
            Before::Refuse(_) => panic!("the journal takes it"),
        }
    }

    /// What the journal's file has: what a run after a crash at this moment finds.
    fn crash(&self) -> Vec<Capture> {
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(self.dir.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        journal::open(copy.path()).unwrap().2
    }

    /// Control is back: what it is given. Ends the session.
    async fn delivered(mut self) -> Vec<Capture> {
        let control = Control::default();
        let redelivery = self.redelivery.take().unwrap();
        let Self {
            context, journal, ..
        } = self;
        drop(context); // nobody can hand over more
        redelivery.run(control.clone(), journal).await;
        self.keeper.await.unwrap();
        let (_, _, left) = journal::open(self.dir.path()).unwrap();
        assert_eq!(left, []);
        std::mem::take(&mut *control.0.lock().unwrap())
    }
}

fn command(name: &str, target: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.str(name, target).str("$db", DATABASE);
    writer.finish()
}

/// The same as part of a transaction.
fn in_transaction(number: i64, starts: bool, command: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.extend(Document::whole(command).unwrap());
    writer.document("lsid", |w| _ = w.binary("id", 4, &[9; 16]));
    writer.i64("txnNumber", number).bool("autocommit", false);
    if starts {
        writer.bool("startTransaction", true);
    }
    writer.finish()
}

fn commit() -> Vec<u8> {
    let mut writer = Writer::new();
    writer.i32("commitTransaction", 1).str("$db", "admin");
    writer.finish()
}

fn ok() -> Vec<u8> {
    mongo::report::ok()
}

fn fails(code: Code, labels: &[&str]) -> Vec<u8> {
    report(code, "no", labels)
}

/// Of each capture its statements: text, whether it was implicit, and whether it is known.
fn statements(captures: &[Capture]) -> Vec<Vec<(&str, bool, bool)>> {
    fn short(statement: &CapturedStatement) -> (&str, bool, bool) {
        let known = statement.outcome == Outcome::Done;
        (&statement.text, statement.tag == IMPLICIT, known)
    }
    captures
        .iter()
        .map(|capture| capture.statements.iter().map(short).collect())
        .collect()
}

const CREATE_A: &str = r#"{"create":"a"}"#;

#[test]
fn what_control_does_not_take_at_once_is_delivered_later() {
    fake::run(async {
        let mut play = Play::start();
        assert!(play.run(&command("create", "a"), &["a"], &ok()).await);
        assert!(play.run(&command("drop", "a"), &[], &ok()).await);
        let found = play.crash();
        assert_eq!(
            statements(&found),
            [
                [(CREATE_A, false, true)],
                [(r#"{"drop":"a"}"#, false, true)]
            ]
        );
        let first = &found[0];
        assert_eq!((&*first.id, first.pid, &*first.user), ("s:1", 7, DATABASE));
        assert_eq!(
            (&*first.application_name, &first.context),
            ("mongosh", &None)
        );
        assert_eq!(play.delivered().await, found);
    });
}

#[test]
fn what_failed_is_no_capture() {
    fake::run(async {
        let mut play = Play::start();
        let error = fails(Code::NamespaceExists, &[]);
        assert!(play.run(&command("create", "a"), &[], &error).await);
        assert_eq!(play.crash(), []);
        assert_eq!(play.delivered().await, []);
    });
}

#[test]
fn a_crash_between_journal_and_reply_leaves_a_statement_of_unknown_end() {
    fake::run(async {
        let mut play = Play::start();
        let Before::Hold(pending) = play.before(&command("createIndexes", "a")).await else {
            panic!("it is recorded");
        };
        let index = r#"{"createIndexes":"a"}"#;
        let expected = [[(CREATE_A, true, false), (index, false, false)]];
        assert_eq!(statements(&play.crash()), expected);
        // The same if only the server connection is lost: nothing is asked of it any more.
        play.mongod.lost = true;
        let server = &mut play.mongod;
        let after = play
            .recorder
            .after(&play.context, server, pending, Reply::Lost);
        after.await.unwrap();
        assert_eq!(statements(&play.crash()), expected);
        assert_eq!(statements(&play.delivered().await), expected);
    });
}

#[test]
fn a_server_lost_behind_its_reply_leaves_what_the_reply_says() {
    fake::run(async {
        let mut play = Play::start();
        let Before::Hold(pending) = play.before(&command("createIndexes", "a")).await else {
            panic!("it is recorded");
        };
        play.mongod.lost = true;
        let (server, reply) = (&mut play.mongod, ok());
        let reply = Reply::Came(Document::whole(&reply).unwrap());
        let after = play
            .recorder
            .after(&play.context, server, pending, reply)
            .await;
        assert!(matches!(after, Err(Error::Server("lost"))));
        let index = r#"{"createIndexes":"a"}"#;
        let expected = [[(CREATE_A, true, false), (index, false, true)]];
        assert_eq!(statements(&play.delivered().await), expected);
    });
}

#[test]
fn a_collection_that_comes_into_being_by_a_write_is_recorded_once() {
    fake::run(async {
        let mut play = Play::start();
        let insert = command("insert", "a");
        assert!(play.run(&insert, &["a"], &ok()).await);
        assert!(!play.run(&insert, &[], &ok()).await);
        assert!(!play.run(&command("find", "a"), &[], &ok()).await);
        assert_eq!(play.mongod.listings, 3);
        // A write that fails may have made it, and one that does not need not have.
        let error = fails(Code::BadValue, &[]);
        assert!(play.run(&command("insert", "b"), &["b"], &error).await);
        assert!(play.run(&command("update", "c"), &[], &ok()).await);
        assert!(
            play.run(&command("bulkWrite", "x"), &["d", "system.js"], &ok())
                .await
        );
        let implicit = |text| [(text, true, true)];
        assert_eq!(
            statements(&play.delivered().await),
            [
                implicit(CREATE_A),
                implicit(r#"{"create":"b"}"#),
                implicit(r#"{"create":"d"}"#)
            ]
        );
    });
}

#[test]
fn a_write_that_wants_no_reply_is_recorded_too() {
    fake::run(async {
        let mut play = Play::start();
        for (name, makes) in [("insert", "a"), ("drop", "b")] {
            let Before::Hold(pending) = play.before(&command(name, makes)).await else {
                panic!("it is recorded");
            };
            play.mongod.collections.insert("a".to_owned());
            let server = &mut play.mongod;
            let after = play
                .recorder
                .after(&play.context, server, pending, Reply::NotOwed);
            after.await.unwrap();
        }
        assert_eq!(
            statements(&play.delivered().await),
            [
                [(CREATE_A, true, true)],
                [(r#"{"drop":"b"}"#, false, false)]
            ]
        );
    });
}

#[test]
fn where_the_server_does_not_list_control_has_to_look() {
    fake::run(async {
        let mut play = Play::start();
        play.mongod.silent = true;
        assert!(play.run(&command("insert", "a"), &["a"], &ok()).await);
        assert_eq!(statements(&play.delivered().await), [[("", false, false)]]);
    });
}

#[test]
fn a_transaction_counts_when_it_is_committed_and_once() {
    fake::run(async {
        let mut play = Play::start();
        let create = in_transaction(1, true, &command("create", "a"));
        assert!(play.run(&create, &[], &ok()).await);
        for target in ["a", "b", "b", "c"] {
            let insert = in_transaction(1, false, &command("insert", target));
            assert!(play.run(&insert, &[], &ok()).await);
        }
        let refused = in_transaction(1, false, &command("create", "d"));
        assert!(
            play.run(&refused, &[], &fails(Code::NamespaceExists, &[]))
                .await
        );
        assert_eq!(play.crash(), []);
        let commit = in_transaction(1, false, &commit());
        let Before::Hold(pending) = play.before(&commit).await else {
            panic!("it is recorded");
        };
        assert_eq!(statements(&play.crash())[0].len(), 5);
        // No row was written to c.
        play.mongod
            .collections
            .extend(["a".to_owned(), "b".to_owned()]);
        play.after(pending, &ok()).await;
        assert!(!play.run(&commit, &[], &ok()).await);
        let expected = [[(CREATE_A, false, true), (r#"{"create":"b"}"#, true, true)]];
        assert_eq!(statements(&play.delivered().await), expected);
    });
}

#[test]
fn a_transaction_that_is_aborted_is_no_capture() {
    fake::run(async {
        let mut play = Play::start();
        let create = in_transaction(1, true, &command("create", "a"));
        assert!(play.run(&create, &[], &ok()).await);
        let aborted = fails(Code::NoSuchTransaction, &["TransientTransactionError"]);
        let commit_of = |number| in_transaction(number, false, &commit());
        assert!(play.run(&commit_of(1), &[], &aborted).await);
        assert_eq!(play.crash(), []);
        // One that only reads and writes is not journalled.
        let insert = in_transaction(2, true, &command("find", "a"));
        assert!(!play.run(&insert, &[], &ok()).await);
        assert!(!play.run(&commit_of(2), &[], &ok()).await);
        // One that began elsewhere may have done anything.
        assert!(play.run(&commit_of(3), &[], &ok()).await);
        assert_eq!(statements(&play.delivered().await), [[("", false, false)]]);
    });
}

#[test]
fn a_commit_that_may_have_failed_is_recorded_and_so_is_the_next() {
    fake::run(async {
        let mut play = Play::start();
        let create = in_transaction(1, true, &command("create", "a"));
        assert!(play.run(&create, &[], &ok()).await);
        let commit = in_transaction(1, false, &commit());
        let unknown = fails(
            Code::NotWritablePrimary,
            &["UnknownTransactionCommitResult"],
        );
        assert!(play.run(&commit, &[], &unknown).await);
        assert!(play.run(&commit, &[], &ok()).await);
        assert_eq!(
            statements(&play.delivered().await),
            [[(CREATE_A, false, false)], [(CREATE_A, false, true)]]
        );
    });
}

#[test]
fn retryable_writes_are_no_transactions() {
    fake::run(async {
        let mut play = Play::start();
        let mut writer = Writer::new();
        writer
            .str("insert", "a")
            .i64("txnNumber", 1)
            .str("$db", DATABASE);
        writer.document("lsid", |w| _ = w.binary("id", 4, &[9; 16]));
        assert!(play.run(&writer.finish(), &["a"], &ok()).await);
        assert_eq!(statements(&play.crash()), [[(CREATE_A, true, true)]]);
    });
}

#[test]
fn what_the_journal_does_not_take_is_not_forwarded() {
    fake::run(async {
        let mut play = Play::start();
        // Nobody writes.
        play.keeper.abort();
        tokio::task::yield_now().await;
        let Before::Refuse(reply) = play.before(&command("create", "a")).await else {
            panic!("it is refused");
        };
        let reply = Document::whole(&reply).unwrap();
        let message = reply.get("errmsg").unwrap().unwrap();
        assert!(matches!(message, Value::String(text) if text.contains("was not run")));
    });
}
