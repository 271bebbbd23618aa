//! Clients that are gone between request and reply: no reply ever reaches another client.
//! CVE-2023-28858 is what happens otherwise.

use std::cell::Cell;

use rustix::net::sockopt;
use tenantsdb_codecs::feed::route::PoolMode;
use tenantsdb_codecs::mongo::auth::server;
use tenantsdb_codecs::scram::ClientKey;
use tenantsdb_codecs::scram::server::Exchange;
use tokio::task::spawn_local;

use super::*;
use crate::fake::mongo::Mood;
use crate::fake::verifier;

/// How many clients are dropped; [`CLIENTS_VARIABLE`] says another number.
const CLIENTS: usize = 2_000;
const CLIENTS_VARIABLE: &str = "TENANTSDB_DROPPED_CLIENTS";
/// Each keeps one client at a time on the way.
const DROPPERS: usize = 8;
const CHECKERS: usize = 4;
const SERVER_CONNECTIONS: u32 = 3;

fn clients() -> usize {
    let more = std::env::var(CLIENTS_VARIABLE).ok();
    more.map_or(CLIENTS, |number| number.parse().expect(CLIENTS_VARIABLE))
}

/// Logs in without the work that a password makes.
#[derive(Clone)]
struct Known(Rc<(ClientKey, tenantsdb_codecs::scram::Verifier)>);

impl Known {
    fn new() -> Self {
        let exchange = Exchange::new(verifier(), true, nonce(), None);
        let login = Login::of(DATABASE);
        let (expect, first) = server::start(&login.first(true), exchange).unwrap();
        let password = Credential::Password(PASSWORD);
        let (client, payload) = login.first.first(&first, &password).unwrap();
        let key = expect.proof(&client.next(&payload)).unwrap().key;
        Self(Rc::new((key, verifier())))
    }

    async fn log_in(&self, stage: &Stage) -> Script {
        let mut client = stage.client().await;
        let (login, reply) = Login::start(&mut client, DATABASE, true).await;
        let (key, verifier) = &*self.0;
        let key = Credential::Key {
            client: key,
            verifier,
        };
        let (expect, payload) = login.first.first(&reply, &key).unwrap();
        let next = expect.next(&payload).write(DATABASE);
        assert!(client.ask(&next).await.is("done", true));
        client
    }
}

fn find_with(comment: &str) -> Vec<u8> {
    let mut find = Writer::new();
    find.str("find", "users")
        .str("comment", comment)
        .str("$db", DATABASE);
    find.finish()
}

/// One client that sends and is gone, at a moment of many.
async fn drop_one(mut client: Script, n: usize) {
    const DROPPED: &str = "nobody may see this";
    // Half of them reset.
    if n.is_multiple_of(2) {
        let _ = sockopt::set_socket_linger(&client.stream, Some(Duration::ZERO));
    }
    let mut whole = Vec::new();
    op_msg::write(7, 0, Flags::NONE, &find_with(DROPPED), &mut whole);
    let silent = Flags {
        more_to_come: true,
        ..Flags::NONE
    };
    match n % 7 {
        0 => client.send(&whole).await,
        1 => client.send(&whole.repeat(5)).await,
        2 => client.send(&whole[..whole.len() / 2]).await,
        3 => {
            client.send(&whole).await;
            client.send(&whole[..20]).await;
        }
        4 => {
            client.tell(silent, &find_with(DROPPED)).await;
            client.send(&whole).await;
        }
        5 => client.tell(silent, &find_with(DROPPED)).await,
        _ => {
            client.send(&whole).await;
            let _ = client.stream.read(&mut [0; 20]).await;
        }
    }
    // Until it has come to the proxy, to the server, or is on its way back.
    for _ in 0..n % 11 {
        tokio::task::yield_now().await;
    }
    if n.is_multiple_of(5) {
        tokio::time::sleep(Duration::from_millis((n % 4) as u64)).await;
    }
}

/// Asks for what only this client has asked for, in ever new sessions.
async fn check(stage: Rc<Stage>, known: Known, who: usize, done: Rc<Cell<bool>>) -> usize {
    let mut checked = 0;
    while !done.get() {
        let mut client = known.log_in(&stage).await;
        // Numbers that others have too.
        client.last = 6;
        for n in 0..10 {
            let nonce = format!("nonce-{who}-{checked}-{n}");
            // Its number in the reply is looked at too.
            let answer = client.ask(&find_with(&nonce)).await;
            assert!(answer.ok(), "{}", answer.text());
            assert_eq!(answer.get("comment"), Some(Value::String(&nonce)));
        }
        checked += 10;
    }
    checked
}

fn drop_clients(mode: PoolMode, clients: usize) {
    fake::run(async {
        let more = |config: &mut Config| {
            config.mongo_server_connections_max = SERVER_CONNECTIONS;
        };
        let stage = Stage::with(more).await;
        let mut route = route(stage.server_addr);
        route.pool_mode = mode;
        fake::put(&stage.core.context, route);
        stage.server.be(Mood::Slow);
        let (stage, known) = (Rc::new(stage), Known::new());
        let done = Rc::new(Cell::new(false));
        let checkers: Vec<_> = (0..CHECKERS)
            .map(|who| {
                spawn_local(check(
                    Rc::clone(&stage),
                    known.clone(),
                    who,
                    Rc::clone(&done),
                ))
            })
            .collect();
        let started = Rc::new(Cell::new(0));
        let droppers: Vec<_> = (0..DROPPERS)
            .map(|_| {
                let (stage, known, started) =
                    (Rc::clone(&stage), known.clone(), Rc::clone(&started));
                spawn_local(async move {
                    while started.get() < clients {
                        started.set(started.get() + 1);
                        let n = started.get();
                        drop_one(known.log_in(&stage).await, n).await;
                    }
                })
            })
            .collect();
        for dropper in droppers {
            dropper.await.unwrap();
        }
        done.set(true);
        let mut checked = 0;
        for checker in checkers {
            checked += checker.await.unwrap();
        }
        assert!(checked >= CHECKERS * 10, "{checked} replies were looked at");
        assert!(stage.server.open() <= SERVER_CONNECTIONS as usize);
    });
}

#[test]
fn replies_of_dropped_clients_reach_nobody_else() {
    drop_clients(PoolMode::Transaction, clients());
}

#[test]
fn replies_of_dropped_clients_reach_nobody_else_in_session_mode() {
    drop_clients(PoolMode::Session, clients() / 4);
}
