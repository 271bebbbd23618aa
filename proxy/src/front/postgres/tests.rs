use std::time::Duration;

use tenantsdb_codecs::postgres::client::encode_query;
use tenantsdb_codecs::postgres::startup::encode_cancel;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use tenantsdb_codecs::feed::route::Status;

use super::*;
use crate::config::Config;
use crate::fake::{self, DATABASE, Mood, PASSWORD, Server, connect, connect_as, until};

/// A server, a core in front of it, and the address of the core.
struct Stage {
    server: Server,
    core: Rc<Core>,
    addr: SocketAddr,
    server_addr: SocketAddr,
}

async fn stage(change: impl FnOnce(&mut Config)) -> Stage {
    let (server, server_addr) = Server::start().await;
    let mut config = fake::config();
    change(&mut config);
    let core = Core::new(fake::context(config));
    fake::put(&core.context, fake::route(server_addr));
    let addr = fake::proxy(&core).await;
    Stage {
        server,
        core,
        addr,
        server_addr,
    }
}

#[test]
fn a_connection_is_reset_and_used_again() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let parameters = [("TimeZone", "UTC"), ("application_name", "it's\\me")];
        let mut client = connect(stage.addr, &parameters).await.ok().unwrap();
        assert_eq!(client.greeting, "SSKZ");
        assert_eq!(client.query("select 1").await.unwrap(), "SELECT 1");
        client.leave().await;
        let mut client = connect(stage.addr, &[("TimeZone", "UTC")])
            .await
            .ok()
            .unwrap();
        client.query("select 2").await.unwrap();
        let heard = stage.server.heard_by(1);
        let rest: Vec<&str> = heard.iter().skip(1).map(String::as_str).collect();
        let set = "SET application_name TO E'it''s\\\\me'";
        assert_eq!(rest, [set, "select 1", "DISCARD ALL", "select 2"]);
        assert!(!heard[0].contains("application_name"), "{heard:?}");
        assert!(heard[0].contains("TimeZone"), "{heard:?}");
    });
}

#[test]
fn a_session_at_rest_is_small() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (accepted, _client) = tokio::join!(listener.accept(), TcpStream::connect(addr));
        let (stream, peer) = accepted.unwrap();
        let source = stage.core.context.limits.source(peer.ip()).unwrap();
        let session = serve(Rc::clone(&stage.core), stream, peer, source);
        assert!(size_of_val(&session) <= 2048, "{}", size_of_val(&session));
    });
}

#[test]
fn what_comes_behind_the_login_is_forwarded_first() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut early = Vec::new();
        encode_query("early", &mut early).unwrap();
        let parameters = [("user", DATABASE)];
        let client = connect_as(stage.addr, &parameters, PASSWORD, &early).await;
        let mut client = client.ok().unwrap();
        assert_eq!(client.answer().await.unwrap(), "SELECT 1");
        client.query("late").await.unwrap();
        assert_eq!(stage.server.heard_by(1)[1..], ["early", "late"]);
    });
}

#[test]
fn wrong_password_unknown_user_and_unknown_database_have_one_answer() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let known = [("user", DATABASE), ("database", DATABASE)];
        let user = [("user", "app__nobody"), ("database", DATABASE)];
        let database = [("user", DATABASE), ("database", "app__nowhere")];
        for (parameters, password) in [
            (known, &b"wrong"[..]),
            (user, PASSWORD),
            (database, PASSWORD),
        ] {
            let refused = connect_as(stage.addr, &parameters, password, b"")
                .await
                .err()
                .unwrap();
            let text = format!(
                "password authentication failed for user \"{}\"",
                parameters[0].1
            );
            assert_eq!((&*refused.sqlstate, &*refused.message), ("28P01", &*text));
        }
        assert_eq!(stage.server.open(), 0, "no server is touched");
    });
}

#[test]
fn a_suspended_database_is_told_to_those_who_have_proved_themselves_only() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut route = fake::route(stage.server_addr);
        route.status = Status::Suspended;
        fake::put(&stage.core.context, route);
        let refused = connect(stage.addr, &[]).await.err().unwrap();
        assert_eq!(refused.sqlstate, "57P03");
        let refused = connect_as(stage.addr, &[("user", DATABASE)], b"wrong", b"").await;
        assert_eq!(refused.err().unwrap().sqlstate, "28P01");
    });
}

#[test]
fn a_server_that_refuses_the_login_is_told_with_what_to_do() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        stage.server.be(Mood::RefuseLogin("28P01"));
        let refused = connect(stage.addr, &[]).await.err().unwrap();
        assert_eq!(refused.sqlstate, "28000");
        assert!(
            refused.hint.contains("tdb credentials rotate app__acme"),
            "{refused:?}"
        );
    });
}

#[test]
fn a_servers_own_refusal_is_passed_on() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        stage.server.be(Mood::RefuseLogin("53300"));
        let refused = connect(stage.addr, &[]).await.err().unwrap();
        assert_eq!(
            (&*refused.sqlstate, &*refused.message),
            ("53300", "as the test wants it")
        );
    });
}

#[test]
fn a_server_that_is_down_or_hangs_up_is_a_connection_failure() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        stage.server.be(Mood::HangUp);
        assert_eq!(
            connect(stage.addr, &[]).await.err().unwrap().sqlstate,
            "08006"
        );
        let mut route = fake::route(stage.server_addr);
        // Nothing listens on a port that was given back.
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        route.server.addr = gone.local_addr().unwrap().to_string();
        drop(gone);
        fake::put(&stage.core.context, route);
        assert_eq!(
            connect(stage.addr, &[]).await.err().unwrap().sqlstate,
            "08006"
        );
    });
}

#[test]
fn a_reset_that_is_not_confirmed_closes_the_connection() {
    for mood in [Mood::WrongTag, Mood::Babble] {
        fake::run(async {
            let stage = stage(|_| {}).await;
            let client = connect(stage.addr, &[]).await.ok().unwrap();
            stage.server.be(mood);
            client.leave().await;
            until(|| stage.server.open() == 0).await;
            stage.server.be(Mood::Good);
            let mut client = connect(stage.addr, &[]).await.ok().unwrap();
            client.query("select 1").await.unwrap();
            assert_eq!(stage.server.heard_by(2)[1..], ["select 1"], "{mood:?}");
        });
    }
}

#[test]
fn a_transaction_that_was_left_open_closes_the_connection() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut client = connect(stage.addr, &[]).await.ok().unwrap();
        client.query("BEGIN").await.unwrap();
        client.leave().await;
        until(|| stage.server.open() == 0).await;
        assert_eq!(stage.server.heard_by(1)[1..], ["BEGIN"]);
        assert_eq!(stage.server.cancels(), 0);
    });
}

#[test]
fn what_a_client_left_running_is_cancelled_and_its_connection_closed() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut client = connect(stage.addr, &[]).await.ok().unwrap();
        client.send_query("sleep").await;
        until(|| stage.server.heard_by(1).len() == 2).await;
        drop(client);
        until(|| stage.server.open() == 0).await;
        assert_eq!(stage.server.cancels(), 1);
        assert_eq!(stage.server.heard_by(1)[1..], ["sleep"]);
    });
}

#[test]
fn a_batch_is_finished_after_a_goodbye() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut client = connect(stage.addr, &[]).await.ok().unwrap();
        client.send_query("select 1").await;
        client.send_query("select 2").await;
        client.stream.write_all(b"X\0\0\0\x04").await.unwrap();
        drop(client);
        until(|| stage.server.heard_by(1).len() == 4).await;
        assert_eq!(
            stage.server.heard_by(1)[1..],
            ["select 1", "select 2", "DISCARD ALL"]
        );
    });
}

#[test]
fn other_startup_parameters_and_another_generation_have_connections_of_their_own() {
    fake::run(async {
        let stage = stage(|config| config.server_connections_max = 3).await;
        connect(stage.addr, &[]).await.ok().unwrap().leave().await;
        until(|| stage.server.heard_by(1).len() == 2).await;
        connect(stage.addr, &[("DateStyle", "German")])
            .await
            .ok()
            .unwrap()
            .leave()
            .await;
        until(|| stage.server.heard_by(2).len() == 2).await;
        let mut route = fake::route(stage.server_addr);
        route.logins[0].generation = 2;
        fake::put(&stage.core.context, route);
        let mut client = connect(stage.addr, &[]).await.ok().unwrap();
        client.query("select 1").await.unwrap();
        assert_eq!(stage.server.heard_by(3)[1..], ["select 1"]);
        // Those of the old password are closed as soon as the new one is used.
        until(|| stage.server.open() == 1).await;
    });
}

#[test]
fn an_idle_connection_that_the_server_has_closed_is_not_given_out() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut client = connect(stage.addr, &[]).await.ok().unwrap();
        client.query("select 1").await.unwrap();
        client.leave().await;
        until(|| stage.server.heard_by(1).len() == 3).await;
        stage.server.hang_up(1);
        until(|| stage.server.open() == 0).await;
        let mut client = connect(stage.addr, &[]).await.ok().unwrap();
        assert_eq!(client.query("select 2").await.unwrap(), "SELECT 1");
    });
}

#[test]
fn who_waits_is_given_the_connection_of_who_leaves_in_turn() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let first = connect(stage.addr, &[]).await.ok().unwrap();
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        let mut waiting = Vec::new();
        for n in 0..3 {
            let (addr, order) = (stage.addr, Rc::clone(&order));
            waiting.push(tokio::task::spawn_local(async move {
                let mut client = connect(addr, &[]).await.ok().unwrap();
                client.query("select 1").await.unwrap();
                order.borrow_mut().push(n);
                client.leave().await;
            }));
            until(|| stage.core.context.budgets.postgres.waiting() == n + 1).await;
        }
        first.leave().await;
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.borrow(), [0, 1, 2]);
        assert!(
            stage.server.heard_by(2).is_empty(),
            "one connection served all"
        );
    });
}

#[test]
fn an_idle_connection_of_another_key_makes_room() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        connect(stage.addr, &[]).await.ok().unwrap().leave().await;
        until(|| stage.server.heard_by(1).len() == 2).await;
        let mut client = connect(stage.addr, &[("DateStyle", "German")])
            .await
            .ok()
            .unwrap();
        client.query("select 1").await.unwrap();
        until(|| stage.server.open() == 1).await;
    });
}

#[test]
fn who_waits_on_another_core_is_given_the_connection_itself() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let other = Core::new(Arc::clone(&stage.core.context));
        let other_addr = fake::proxy(&other).await;
        let first = connect(stage.addr, &[]).await.ok().unwrap();
        let waiting = tokio::task::spawn_local(async move {
            let mut client = connect(other_addr, &[]).await.ok().unwrap();
            client.query("select 2").await.unwrap();
        });
        until(|| stage.core.context.budgets.postgres.waiting() == 1).await;
        first.leave().await;
        waiting.await.unwrap();
        assert_eq!(stage.server.heard_by(1)[1..3], ["DISCARD ALL", "select 2"]);
    });
}

#[test]
fn an_idle_connection_of_another_core_makes_room() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let other = Core::new(Arc::clone(&stage.core.context));
        tokio::task::spawn_local(Rc::clone(&stage.core).tend());
        tokio::task::spawn_local(Rc::clone(&other).tend());
        let other_addr = fake::proxy(&other).await;
        for addr in [stage.addr, other_addr, stage.addr] {
            let mut client = connect(addr, &[]).await.ok().unwrap();
            client.query("select 1").await.unwrap();
            client.leave().await;
        }
        until(|| stage.server.open() == 1).await;
    });
}

#[test]
fn a_full_database_is_a_limit_at_the_deadline() {
    fake::run(async {
        let stage = stage(|config| config.checkout_timeout = Duration::from_millis(50)).await;
        let client = connect(stage.addr, &[]).await.ok().unwrap();
        assert_eq!(
            connect(stage.addr, &[]).await.err().unwrap().sqlstate,
            "53300"
        );
        client.leave().await;
        connect(stage.addr, &[]).await.ok().unwrap();
    });
}

#[test]
fn a_drain_ends_idle_sessions_at_once_and_others_when_they_are_idle() {
    fake::run(async {
        let stage = stage(|config| config.server_connections_max = 2).await;
        let mut idle = connect(stage.addr, &[]).await.ok().unwrap();
        let mut busy = connect(stage.addr, &[]).await.ok().unwrap();
        busy.query("BEGIN").await.unwrap();
        stage.core.context.drain.begin();
        assert_eq!(idle.answer().await.err().unwrap().sqlstate, "57P01");
        assert_eq!(busy.query("select 1").await.unwrap(), "SELECT 1");
        assert_eq!(busy.answer().await.err().unwrap().sqlstate, "57P01");
        let refused = connect(stage.addr, &[]).await.err().unwrap();
        assert_eq!(refused.sqlstate, "57P01");
    });
}

async fn cancel(addr: SocketAddr, (pid, secret): &(i32, Vec<u8>)) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut packet = Vec::new();
    encode_cancel(*pid, secret, &mut packet).unwrap();
    stream.write_all(&packet).await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
}

#[test]
fn a_cancel_hits_its_own_session_and_only_while_that_lasts() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut client = connect(stage.addr, &[]).await.ok().unwrap();
        let key = client.key.clone();
        assert_eq!(key.1.len(), 4);
        client.send_query("sleep").await;
        until(|| stage.server.heard_by(1).len() == 2).await;
        let wrong = (key.0, vec![0; 4]);
        cancel(stage.addr, &wrong).await;
        assert_eq!(stage.server.cancels(), 0);
        cancel(stage.addr, &key).await;
        assert_eq!(client.answer().await.err().unwrap().sqlstate, "57014");
        client.leave().await;
        until(|| stage.server.heard_by(1).len() == 3).await;
        let mut next = connect(stage.addr, &[]).await.ok().unwrap();
        next.send_query("sleep").await;
        until(|| stage.server.heard_by(1).len() == 4).await;
        cancel(stage.addr, &key).await;
        assert_eq!(
            stage.server.cancels(),
            1,
            "the key of a session that is over is worth nothing"
        );
    });
}

#[test]
fn a_session_whose_server_explains_its_end_is_told_nothing_more() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut client = connect(stage.addr, &[]).await.ok().unwrap();
        client.send_query("die").await;
        assert_eq!(client.message().await.unwrap().0, b'E');
        stage.server.hang_up(1);
        assert_eq!(client.message().await, None);
        let mut client = connect(stage.addr, &[]).await.ok().unwrap();
        stage.server.hang_up(2);
        assert_eq!(client.answer().await.err().unwrap().sqlstate, "08006");
    });
}

#[test]
fn a_client_that_is_too_slow_is_cut_off() {
    fake::run(async {
        let stage = stage(|config| config.handshake_timeout = Duration::from_millis(50)).await;
        for beginning in [&b""[..], b"\0\0", b"\0\0\0\x12\0\x03\0\0user\0me\0\0"] {
            let mut stream = TcpStream::connect(stage.addr).await.unwrap();
            stream.write_all(beginning).await.unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
        }
    });
}

#[test]
fn a_client_that_sends_ten_megabytes_is_told_so_and_cut_off() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut stream = TcpStream::connect(stage.addr).await.unwrap();
        let mut flood = vec![b'a'; 10 << 20];
        flood[..8].copy_from_slice(b"\0\xa0\0\0\0\x03\0\0");
        let _ = stream.write_all(&flood).await; // cut off in the middle
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty() || rest.starts_with(b"E"), "{rest:?}");
    });
}

#[test]
fn who_finds_no_place_is_told_and_may_cancel_all_the_same() {
    type Change = fn(&mut Config);
    let full: [(Change, &str); 2] = [
        (
            |config| config.client_connections_max = 1,
            "sorry, too many clients already",
        ),
        (
            |config| config.handshakes_per_source_max = 1,
            "too many connections from this address have not logged in",
        ),
    ];
    for (change, message) in full {
        fake::run(async {
            let stage = stage(change).await;
            let addr = fake::listen(&stage.core);
            let mut client = connect(addr, &[]).await.ok().unwrap();
            client.send_query("sleep").await;
            until(|| stage.server.heard_by(1).len() == 2).await;
            // With one place for all, the session has it; else it is this silent one's.
            let _silent = TcpStream::connect(addr).await.unwrap();
            let refused = connect(addr, &[]).await.err().unwrap();
            assert_eq!((&*refused.sqlstate, &*refused.message), ("53300", message));
            let metrics = &stage.core.context.metrics;
            assert_eq!(metrics.faults.value(crate::fault::FaultKind::Limit), 1);
            assert_eq!(metrics.logins.value(LoginOutcome::Refused), 1);
            cancel(addr, &client.key).await;
            assert_eq!(client.answer().await.err().unwrap().sqlstate, "57014");
        });
    }
}

#[test]
fn who_has_not_said_a_word_takes_no_place_of_those_who_log_in() {
    fake::run(async {
        let stage = stage(|config| config.handshakes_max = 1).await;
        let addr = fake::listen(&stage.core);
        let _silent = TcpStream::connect(addr).await.unwrap();
        connect(addr, &[]).await.ok().unwrap().leave().await;
        let mut slow = TcpStream::connect(addr).await.unwrap();
        slow.write_all(b"\0").await.unwrap();
        // Until its byte is seen there may be room for another.
        let refused = loop {
            match connect(addr, &[]).await {
                Ok(client) => client.leave().await,
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused.sqlstate, "53300");
        assert_eq!(refused.message, "too many connections have not logged in");
    });
}

#[test]
fn a_client_that_goes_while_it_waits_waits_no_longer() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let _first = connect(stage.addr, &[]).await.ok().unwrap();
        let addr = stage.addr;
        let waiting = tokio::task::spawn_local(async move { connect(addr, &[]).await.err() });
        until(|| stage.core.context.budgets.postgres.waiting() == 1).await;
        waiting.abort();
        let faults = &stage.core.context.metrics.faults;
        let gone = crate::fault::FaultKind::ClientGone;
        // At the deadline it would be another.
        until(|| faults.value(gone) == 1).await;
    });
}

#[test]
fn what_is_idle_makes_room_on_a_server_that_is_full() {
    for on_another_core in [false, true] {
        fake::run(async {
            let stage = stage(|_| {}).await;
            let mut route = fake::route(stage.server_addr);
            route.tenant = Some("other".to_owned());
            route.database = "app__other".to_owned();
            route.logins[0].user = "app__other".to_owned();
            fake::put(&stage.core.context, route);
            connect(stage.addr, &[]).await.ok().unwrap().leave().await;
            until(|| stage.server.heard_by(1).len() == 2).await;

            let mut addr = stage.addr;
            if on_another_core {
                tokio::task::spawn_local(Rc::clone(&stage.core).tend());
                let other = Core::new(Arc::clone(&stage.core.context));
                addr = fake::proxy(&other).await;
            }
            stage.server.be(Mood::Room(1));
            let other = [("user", "app__other")];
            let client = connect_as(addr, &other, PASSWORD, b"").await.ok().unwrap();
            until(|| stage.server.open() == 1).await;
            // Nothing is idle now: the server has the last word.
            let refused = connect(stage.addr, &[]).await.err().unwrap();
            assert_eq!(refused.message, "as the test wants it");
            client.leave().await;
        });
    }
}
