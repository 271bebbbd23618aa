use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tenantsdb_codecs::feed::capture::{Capture, IMPLICIT, Outcome};
use tenantsdb_codecs::mongo::bson::Writer;
use tenantsdb_codecs::mongo::op_msg::{self, Flags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_local;

use super::*;
use crate::context::{Context, Record};
use crate::core::Core;
use crate::ddl::redeliver::{Recipient, Refusal};
use crate::ddl::{journal, redeliver};
use crate::fake;
use crate::fake::mongo::{Mood, Server as Mongod};
use crate::listener::Door;

const DATABASE: &str = "myapp_dev";

/// What control has been given.
#[derive(Clone, Debug, Default)]
struct Control {
    captures: Arc<Mutex<Vec<Capture>>>,
    away: bool,
}

impl Recipient for Control {
    async fn take(&self, capture: &Capture) -> Result<(), Refusal> {
        if self.away {
            return Err(Refusal::Unreachable("away".to_owned()));
        }
        self.captures.lock().unwrap().push(capture.clone());
        Ok(())
    }
}

/// A proxy with a journal in front of a server with a workspace.
struct Play {
    mongod: Mongod,
    door: SocketAddr,
    dir: TempDir,
    control: Control,
}

impl Play {
    async fn start(away: bool) -> Self {
        let (mongod, addr) = Mongod::start().await;
        let dir = tempfile::tempdir().unwrap();
        let (journal, keeper, left_over) = journal::open(dir.path()).unwrap();
        spawn_local(keeper.run());
        let (undelivered, redelivery) = redeliver::channel(left_over);
        let captures = Arc::default();
        let control = Control { captures, away };
        spawn_local(redelivery.run(control.clone(), journal.clone()));
        let config = fake::config();
        let tls = crate::tls::Tls::load(&config).unwrap();
        let record = Record {
            journal,
            undelivered,
        };
        let context = Context::new(config, tls, crate::ddl::channel().0, Some(record)).unwrap();
        fake::put(&context, fake::mongo::route(addr, "myapp"));
        let core: Rc<Core> = Core::new(context);
        let door = fake::listen_at(&core, Door::Mongo);
        Self {
            mongod,
            door,
            dir,
            control,
        }
    }

    async fn client(&self) -> Connection {
        fake::mongo::connect(self.door, DATABASE).await
    }

    /// What a run after a crash at this moment finds.
    fn crash(&self) -> Vec<(String, bool, bool)> {
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(self.dir.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        short(&journal::open(copy.path()).unwrap().2)
    }
}

/// Text, whether it was implicit, and whether it is known what it did.
fn short(captures: &[Capture]) -> Vec<(String, bool, bool)> {
    let statements = captures.iter().flat_map(|capture| &capture.statements);
    statements
        .map(|statement| {
            let known = statement.outcome == Outcome::Done;
            (statement.text.clone(), statement.tag == IMPLICIT, known)
        })
        .collect()
}

fn command(name: &str, target: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.str(name, target).str("$db", DATABASE);
    writer.finish()
}

async fn ask(client: &mut Connection, name: &str, target: &str) -> Result<(), i64> {
    let reply = client.ask(&command(name, target)).await.unwrap();
    match reply.ok() {
        Ok(_) => Ok(()),
        Err(ServerError::Refused { code, .. }) => Err(code),
        Err(error) => panic!("{error}"),
    }
}

fn of(text: &str, implicit: bool, known: bool) -> (String, bool, bool) {
    (text.to_owned(), implicit, known)
}

const CREATE_A: &str = r#"{"create":"a"}"#;

#[test]
fn what_takes_effect_is_in_the_journal_before_the_client_hears_of_it() {
    fake::run(async {
        let play = Play::start(true).await;
        let mut client = play.client().await;
        assert_eq!(ask(&mut client, "create", "a").await, Ok(()));
        assert_eq!(play.crash(), [of(CREATE_A, false, true)]);
        // Collections that come into being, once.
        assert_eq!(ask(&mut client, "insert", "b").await, Ok(()));
        assert_eq!(ask(&mut client, "insert", "b").await, Ok(()));
        assert_eq!(ask(&mut client, "find", "b").await, Ok(()));
        let expected = [
            of(CREATE_A, false, true),
            of(r#"{"create":"b"}"#, true, true),
        ];
        assert_eq!(play.crash(), expected);
        play.mongod.be(Mood::Refuse);
        assert_eq!(ask(&mut client, "create", "c").await, Err(48));
        assert_eq!(play.crash(), expected);
        assert_eq!(
            play.mongod.heard(),
            [
                "create",
                "listCollections",
                "insert",
                "listCollections",
                "listCollections",
                "insert",
                "find",
                "create"
            ]
        );
    });
}

#[test]
fn what_control_does_not_take_at_once_is_delivered_later() {
    fake::run(async {
        let play = Play::start(false).await;
        let mut client = play.client().await;
        assert_eq!(ask(&mut client, "create", "a").await, Ok(()));
        let captures = Arc::clone(&play.control.captures);
        fake::until(|| !captures.lock().unwrap().is_empty()).await;
        fake::until(|| play.crash().is_empty()).await;
        let captures = captures.lock().unwrap();
        assert_eq!(short(&captures), [of(CREATE_A, false, true)]);
        let capture = &captures[0];
        assert_eq!(
            (capture.pid, &*capture.user, &*capture.database),
            (1, DATABASE, DATABASE)
        );
    });
}

#[test]
fn a_proxy_killed_before_the_reply_loses_nothing() {
    fake::run(async {
        let play = Play::start(true).await;
        play.mongod.be(Mood::Silent);
        let mut client = play.client().await;
        let asking = spawn_local(async move { ask(&mut client, "createIndexes", "a").await });
        fake::until(|| {
            play.mongod
                .heard()
                .last()
                .is_some_and(|last| last == "createIndexes")
        })
        .await;
        let index = r#"{"createIndexes":"a"}"#;
        let expected = [of(CREATE_A, true, false), of(index, false, false)];
        assert_eq!(play.crash(), expected);
        // Nor does a client that goes away.
        asking.abort();
        assert_eq!(play.crash(), expected);
    });
}

#[test]
fn a_server_lost_before_its_reply_leaves_what_control_finds_out() {
    fake::run(async {
        let play = Play::start(true).await;
        play.mongod.be(Mood::HangUp);
        let mut client = play.client().await;
        assert_eq!(ask(&mut client, "create", "a").await, Err(6));
        assert_eq!(play.crash(), [of(CREATE_A, false, false)]);
        // The session goes on, on another connection.
        play.mongod.be(Mood::Good);
        assert_eq!(ask(&mut client, "drop", "a").await, Ok(()));
        let drop = of(r#"{"drop":"a"}"#, false, true);
        assert_eq!(play.crash(), [of(CREATE_A, false, false), drop]);
    });
}

#[test]
fn a_write_that_wants_no_reply_is_recorded_too() {
    fake::run(async {
        let play = Play::start(true).await;
        let mut client = play.client().await;
        let flags = Flags {
            more_to_come: true,
            ..Flags::NONE
        };
        let mut out = Vec::new();
        op_msg::write(9, 0, flags, &command("insert", "a"), &mut out);
        client.stream.write_all(&out).await.unwrap();
        client.stream.flush().await.unwrap();
        // The next request waits for it.
        assert_eq!(ask(&mut client, "find", "a").await, Ok(()));
        assert_eq!(play.crash(), [of(CREATE_A, true, true)]);
    });
}

#[test]
fn a_structural_command_with_sequences_is_refused_and_not_recorded() {
    fake::run(async {
        let play = Play::start(true).await;
        let mut client = play.client().await;
        let mut index = Writer::new();
        index.str("name", "i");
        let index = [index.finish()];
        let mut out = Vec::new();
        let sequences = [("indexes", &index[..])];
        let body = command("createIndexes", "a");
        op_msg::write_with(9, 0, Flags::NONE, &body, &sequences, &mut out);
        client.stream.write_all(&out).await.unwrap();
        client.stream.flush().await.unwrap();
        let mut head = [0; 64];
        client.stream.read_exact(&mut head).await.unwrap();
        assert_eq!(play.crash(), []);
    });
}
