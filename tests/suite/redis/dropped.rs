//! Clients that are gone between request and reply, a hundred thousand of them: no reply ever
//! reaches another client. CVE-2023-28858 is what happens otherwise.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt;
use serde_json::json;
use tenantsdb_tests::redis::{Flavour, Login, Protocol, Value};

use super::Blueprint;

on_both!(
    replies_of_50_000_dropped_clients_reach_nobody_else,
    replies_of_50_000_dropped_clients_of_shared_connections_reach_nobody_else,
);

const CLIENTS: usize = 50_000;
/// Each keeps one client at a time on the way.
const DROPPERS: usize = 8;

fn replies_of_50_000_dropped_clients_reach_nobody_else(flavour: Flavour) {
    drop_clients(Blueprint::start("redis_dropped", flavour));
}

fn replies_of_50_000_dropped_clients_of_shared_connections_reach_nobody_else(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_dropped_shared", flavour);
    blueprint
        .fleet
        .settings("myapp", &json!({"pool_mode": "transaction"}));
    drop_clients(blueprint);
}

fn drop_clients(blueprint: Blueprint) {
    let acme = blueprint.tenant("acme");
    let globex = blueprint.tenant("globex");
    let started = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    for login in [&acme, &globex] {
        login.run("SET dropped nobody-may-see-this");
        login.run("RPUSH list nobody may see this");
    }
    let checked: usize = thread::scope(|scope| {
        let checkers: Vec<_> = [&acme, &globex, &acme, &globex]
            .into_iter()
            .enumerate()
            .map(|(n, login)| {
                let done = &done;
                scope.spawn(move || check(login, n, done))
            })
            .collect();
        let droppers: Vec<_> = (0..DROPPERS)
            .map(|n| {
                let login = if n % 2 == 0 { &acme } else { &globex };
                let started = &started;
                scope.spawn(move || {
                    while started.fetch_add(1, Ordering::Relaxed) < CLIENTS {
                        drop_one(login, started.load(Ordering::Relaxed));
                    }
                })
            })
            .collect();
        for dropper in droppers {
            dropper.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        checkers
            .into_iter()
            .map(|checker| checker.join().unwrap())
            .sum()
    });
    assert!(checked > 1000, "{checked} replies were looked at");
}

/// One client that sends and is gone, at a moment of many.
fn drop_one(login: &Login, n: usize) {
    let mut session = login.session_with(Protocol::ALL[n / 7 % 2]);
    // A port that waits for TIME_WAIT is lost to the next clients: most reset.
    if !n.is_multiple_of(8) {
        let socket = session.stream().socket();
        let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
    }
    match n % 6 {
        0 => session.send(&["GET", "dropped"]),
        1 => (0..5).for_each(|_| session.send(&["GET", "dropped"])),
        2 => session.send(&["LRANGE", "list", "0", "-1"]),
        3 => {
            session.send_raw(b"*1\r\n$5\r\nMULTI\r\n*2\r\n$3\r\nGET\r\n$7\r\ndropped\r\n");
            session.send(&["EXEC"]);
        }
        4 => {
            session.send(&["GET", "dropped"]);
            session.send_raw(b"*2\r\n$3\r\nGET\r\n$7\r\ndro");
        }
        _ => session.send(&["EVAL", "return redis.call('get', KEYS[1])", "1", "dropped"]),
    }
    if n.is_multiple_of(5) {
        thread::sleep(Duration::from_micros((n % 400) as u64));
    }
}

/// Asks for what only this client has asked for, in ever new sessions.
fn check(login: &Login, who: usize, done: &AtomicBool) -> usize {
    let mut checked = 0;
    while !done.load(Ordering::Relaxed) {
        let mut session = login.session();
        for n in 0..20 {
            let nonce = format!("nonce-{who}-{checked}-{n}");
            let key = format!("own-{who}");
            assert_eq!(
                session.call(&["SET", &key, &nonce]),
                Value::Simple("OK".to_owned())
            );
            assert_eq!(
                session.call(&["GET", &key]),
                Value::Bulk(nonce.clone().into_bytes())
            );
            assert_eq!(
                session.call(&["ECHO", &nonce]),
                Value::Bulk(nonce.into_bytes())
            );
        }
        checked += 60;
    }
    checked
}
