use std::time::Duration;

use tenantsdb_codecs::feed::route::{ServerTls, Status};
use tenantsdb_codecs::redis::server::Protocol;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::back::redis::command::Open;
use crate::config::{CertFiles, Config};
use crate::fake::redis::{Mood, Server, expect, expect_end, route};
use crate::fake::{self, DATABASE, until};
use crate::listener::Door;
use crate::metrics::Outcome;
use crate::tls::dev;
use crate::tls::dial::Dialer;

/// A server, a core in front of it, and the address of the core.
struct Stage {
    server: Server,
    core: Rc<Core>,
    addr: SocketAddr,
    server_addr: SocketAddr,
}

const AUTH: &str = "*3\r\n$4\r\nAUTH\r\n$9\r\napp__acme\r\n$13\r\ncorrect horse\r\n";
const WRONGPASS: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
const NOAUTH: &str = "-NOAUTH Authentication required.\r\n";

/// In front of a database that has its server to itself.
async fn stage(change: impl FnOnce(&mut Config)) -> Stage {
    let (server, server_addr) = Server::start().await;
    let mut config = fake::config();
    config.redis_server_connections_max = 5;
    change(&mut config);
    let core = Core::new(fake::context(config));
    fake::put(&core.context, route(server_addr, None));
    let addr = fake::listen_at(&core, Door::Redis);
    Stage {
        server,
        core,
        addr,
        server_addr,
    }
}

impl Stage {
    async fn client(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// A client that has said this.
    async fn saying(&self, text: &str) -> TcpStream {
        let mut client = self.client().await;
        client.write_all(text.as_bytes()).await.unwrap();
        client
    }

    /// What is answered to a client that says this, and then nothing for a while.
    async fn answered(&self, text: &str, expected: &str) {
        let mut client = self.saying(text).await;
        expect(&mut client, expected).await;
    }

    fn logins(&self, outcome: LoginOutcome) -> u64 {
        self.core.context.metrics.logins.value(outcome)
    }
}

#[test]
fn a_client_logs_in_in_every_way_there_is() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        stage.answered(AUTH, "+OK\r\n").await;
        let short = "AUTH acme \"correct horse\"\r\n";
        stage.answered(short, "+OK\r\n").await;
        let hello = "HELLO 3 AUTH app__acme \"correct horse\" SETNAME me\r\n";
        let map = "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n\
                   $5\r\nproto\r\n:3\r\n$2\r\nid\r\n:3\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n\
                   $4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
        stage.answered(hello, map).await;
        let begun = ["HELLO 3 AUTH app__acme correct horse", "CLIENT SETNAME me"];
        assert_eq!(stage.server.heard_by(3), begun);
        let hello = "HELLO 2 AUTH app__acme \"correct horse\"\r\n";
        stage
            .answered(hello, "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n")
            .await;
        assert_eq!(stage.logins(LoginOutcome::Accepted), 4);
    });
}

#[test]
fn wrong_password_and_unknown_user_have_one_answer_and_touch_no_server() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        for login in [
            "AUTH app__acme wrong",
            "AUTH app__nobody \"correct horse\"",
            "AUTH acme \"\"",
            "AUTH default \"correct horse\"",
            "AUTH \"app__acme\\x00\" \"correct horse\"",
            "AUTH \"\\xff\" x",
            "HELLO 3 AUTH acme wrong",
        ] {
            stage.answered(&format!("{login}\r\n"), WRONGPASS).await;
        }
        assert_eq!(stage.server.open(), 0);
        assert_eq!(stage.logins(LoginOutcome::Denied), 7);
        // It may try again.
        let again = format!("AUTH acme wrong\r\n{AUTH}");
        stage.answered(&again, &format!("{WRONGPASS}+OK\r\n")).await;
    });
}

#[test]
fn a_client_that_is_nobody_is_told_what_to_do() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        for (said, expected) in [
            ("PING", NOAUTH),
            ("GET a", NOAUTH),
            ("CLIENT SETNAME x", NOAUTH),
            ("NOSUCH", NOAUTH),
            (
                "AUTH x",
                "-WRONGPASS a password alone is not enough; name the database: \
                 AUTH <user> <password>\r\n",
            ),
            (
                "AUTH",
                "-ERR wrong number of arguments for 'auth' command\r\n",
            ),
            ("AUTH a b c", "-ERR syntax error\r\n"),
            ("HELLO", "-NOAUTH HELLO must be called"),
            ("HELLO 3", "-NOAUTH HELLO must be called"),
            ("HELLO 4", "-NOPROTO unsupported protocol version\r\n"),
            (
                "HELLO 3 AUTH a",
                "-ERR Syntax error in HELLO option 'AUTH'\r\n",
            ),
            ("RESET", "+RESET\r\n"),
            ("\r\n\r\nQUIT", "+OK\r\n"),
        ] {
            stage.answered(&format!("{said}\r\n"), expected).await;
        }
        let mut quitter = stage.saying("QUIT\r\nPING\r\n").await;
        expect(&mut quitter, "+OK\r\n").await;
        expect_end(&mut quitter).await;
        assert_eq!(stage.server.open(), 0);
    });
}

// T19 of the review of other proxies: what strangers may cost.
#[test]
fn a_client_that_is_nobody_may_not_say_much() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        for (said, expected) in [
            (
                "*11\r\n".to_owned(),
                "-ERR Protocol error: unauthenticated multibulk length\r\n",
            ),
            (
                "*1\r\n$16385\r\n".to_owned(),
                "-ERR Protocol error: unauthenticated bulk length\r\n",
            ),
            ("a".repeat(70_000), "-ERR Protocol error: too big inline"),
            ("*1\r\n!3\r\n".to_owned(), "-ERR Protocol error: "),
        ] {
            let mut client = stage.saying(&said).await;
            expect(&mut client, expected).await;
        }
        assert_eq!(stage.logins(LoginOutcome::Broken), 4);
    });
}

#[test]
fn half_a_command_is_not_waited_for_for_ever() {
    fake::run(async {
        let stage = stage(|config| config.handshake_timeout = Duration::from_millis(100)).await;
        for said in ["", "*", "*3\r\n$4\r\nAUTH\r\n$9\r\napp_", "AUTH app__acme"] {
            expect_end(&mut stage.saying(said).await).await;
        }
        // Whoever does talk has no longer either.
        let mut client = stage.saying("PING\r\n").await;
        expect(&mut client, NOAUTH).await;
        expect_end(&mut client).await;
        assert_eq!(stage.logins(LoginOutcome::Broken), 5);
        assert_eq!(stage.server.open(), 0);
    });
}

// T19: half a TLS handshake.
#[test]
fn half_a_tls_handshake_is_not_waited_for_for_ever() {
    fake::run(async {
        let (_dir, stage) = protected(Duration::from_millis(200)).await;
        expect_end(&mut stage.saying("\x16\x03\x01").await).await;
    });
}

// C17: bytes that were read during the handshake.
#[test]
fn what_comes_behind_the_login_is_kept() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let pipeline = format!("{AUTH}GET a\r\nGET b\r\n");
        let expected = "+OK\r\n$1\r\na\r\n$1\r\nb\r\n";
        stage.answered(&pipeline, expected).await;
        let mut client = stage.client().await;
        client.set_nodelay(true).unwrap();
        for byte in pipeline.bytes() {
            client.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        expect(&mut client, expected).await;
        client.write_all(b"GET c\r\nQUIT\r\n").await.unwrap();
        expect(&mut client, "$1\r\nc\r\n").await;
        expect_end(&mut client).await;
        let heard = stage.server.heard_by(2);
        assert_eq!(heard[1..], ["GET a", "GET b", "GET c", "QUIT"]);
    });
}

#[test]
fn a_connection_of_a_whole_server_is_not_used_again() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut client = stage.saying(AUTH).await;
        expect(&mut client, "+OK\r\n").await;
        client.write_all(b"SELECT 3\r\n").await.unwrap();
        expect(&mut client, "+OK\r\n").await;
        drop(client);
        until(|| stage.server.open() == 0).await;
        stage.answered(AUTH, "+OK\r\n").await;
        assert_eq!(stage.server.heard_by(2).len(), 1, "COMMAND is asked once");
    });
}

/// A stage with TLS; its certificates are in the folder.
async fn protected(handshake_timeout: Duration) -> (tempfile::TempDir, Stage) {
    let dir = tempfile::tempdir().unwrap();
    dev::write(dir.path()).unwrap();
    let files = CertFiles {
        cert: dir.path().join("server.crt"),
        key: dir.path().join("server.key"),
    };
    let stage = stage(|config| {
        config.client_tls = Some(files);
        config.handshake_timeout = handshake_timeout;
    })
    .await;
    (dir, stage)
}

#[test]
fn one_port_takes_tls_and_plain_clients() {
    fake::run(async {
        let (_dir, stage) = protected(Duration::from_secs(10)).await;
        stage.answered(AUTH, "+OK\r\n").await;
        let dialer = Dialer::load(None).unwrap();
        let plain = stage.client().await;
        let addr = stage.addr.to_string();
        let tls = dialer.protect(plain, ServerTls::Require, &addr).await;
        let mut client = tls.unwrap();
        client.write_all(AUTH.as_bytes()).await.unwrap();
        client.write_all(b"GET a\r\n").await.unwrap();
        expect(&mut client, "+OK\r\n$1\r\na\r\n").await;
    });
}

#[test]
fn tls_where_there_is_none_is_closed() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        expect_end(&mut stage.saying("\x16\x03\x01\0").await).await;
    });
}

#[test]
fn who_has_proved_itself_is_told_why_it_does_not_come_in() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let told = async |change: fn(&mut tenantsdb_codecs::feed::route::Route), expected: &str| {
            let mut route = route(stage.server_addr, None);
            change(&mut route);
            fake::put(&stage.core.context, route);
            stage.answered("AUTH acme wrong\r\n", WRONGPASS).await;
            let mut client = stage.saying(AUTH).await;
            expect(&mut client, expected).await;
            expect_end(&mut client).await;
        };
        told(
            |route| route.status = Status::Suspended,
            "-NOPERM database \"app__acme\" is suspended\r\n",
        )
        .await;
        told(
            |route| route.limits.client_connections_max = Some(0),
            "-ERR max number of clients reached for database 'app__acme'\r\n",
        )
        .await;
        told(
            |route| route.server.addr = "127.0.0.1:1".to_owned(),
            "-ERR the database server cannot be reached\r\n",
        )
        .await;
        stage.server.be(Mood::RefuseLogin("LOADING not yet"));
        told(|_| {}, "-LOADING not yet\r\n").await;
        stage.server.be(Mood::RefuseLogin("WRONGPASS no"));
        let mut client = stage.saying(AUTH).await;
        expect(&mut client, "-ERR the database server refused a login").await;
        assert_eq!(stage.logins(LoginOutcome::Refused), 5);
    });
}

#[test]
fn who_finds_no_place_is_told_in_words_that_clients_know() {
    fake::run(async {
        let stage = stage(|config| config.client_connections_max = 1).await;
        let mut first = stage.saying(AUTH).await;
        expect(&mut first, "+OK\r\n").await;
        let mut second = stage.saying("PING\r\n").await;
        expect(&mut second, "-ERR max number of clients reached\r\n").await;
        expect_end(&mut second).await;
    });
}

#[test]
fn a_database_whose_connections_are_all_in_use_is_waited_for() {
    fake::run(async {
        let stage = stage(|config| {
            config.redis_server_connections_max = 1;
            config.checkout_timeout = Duration::from_millis(50);
        })
        .await;
        let mut first = stage.saying(AUTH).await;
        expect(&mut first, "+OK\r\n").await;
        let full = "-ERR max number of clients reached: no server connection became free in time \
                    for database 'app__acme'\r\n";
        stage.answered(AUTH, full).await;
    });
}

#[test]
fn sessions_at_rest_end_when_the_process_goes_down() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut client = stage.saying(&format!("{AUTH}GET a\r\n")).await;
        expect(&mut client, "+OK\r\n$1\r\na\r\n").await;
        let mut busy = stage.saying(AUTH).await;
        expect(&mut busy, "+OK\r\n").await;
        stage.server.be(Mood::Silent);
        busy.write_all(b"GET b\r\n").await.unwrap();
        stage.core.context.drain.begin();
        expect_end(&mut client).await;
        let waiting = timeout(Duration::from_millis(200), expect_end(&mut busy));
        assert!(waiting.await.is_err(), "it is still owed a reply");
        stage.core.context.drain.stop();
        expect_end(&mut busy).await;
    });
}

/// A connection of the pool, as a session would use it.
async fn checked_out(stage: &Stage, protocol: Protocol) -> Pooled<Connection> {
    let context = &stage.core.context;
    let proved = proved(stage);
    let opened = Opener::session(context, &proved, protocol).checkout(&stage.core);
    opened.await.unwrap()
}

fn proved(stage: &Stage) -> Proved {
    let login = Login {
        user: DATABASE.as_bytes().into(),
        password: fake::PASSWORD.to_vec().into(),
        hello: None,
    };
    login::check(&stage.core.context, &login).unwrap()
}

#[test]
fn a_connection_is_reset_confirmed_and_used_again() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let pooled = checked_out(&stage, Protocol::Resp2).await;
        let open = Open {
            multi: true,
            watch: true,
        };
        release::release(&stage.core, pooled, open).await;
        let pooled = checked_out(&stage, Protocol::Resp3).await;
        drop(pooled);
        let heard = stage.server.heard_by(1);
        assert!(heard[4].starts_with("PING "), "{heard:?}");
        assert_eq!(heard[1..4], ["COMMAND", "DISCARD", "UNWATCH"]);
        assert_eq!(heard[5..], ["HELLO 3"]);
        until(|| stage.server.open() == 0).await;
    });
}

#[test]
fn a_reset_that_is_not_confirmed_costs_the_connection() {
    for mood in [Mood::RefuseReset, Mood::ConfirmAnother, Mood::Babble] {
        fake::run(async {
            let stage = stage(|_| {}).await;
            let pooled = checked_out(&stage, Protocol::Resp2).await;
            stage.server.be(mood);
            release::release(&stage.core, pooled, Open::default()).await;
            until(|| stage.server.open() == 0).await;
            let resets = &stage.core.context.metrics.resets;
            assert_eq!(resets.value(Outcome::Failed), 1);
        });
    }
}

#[test]
fn who_looks_for_names_is_another_user_with_places_of_its_own() {
    fake::run(async {
        let stage = stage(|config| config.redis_server_connections_max = 1).await;
        let _held = checked_out(&stage, Protocol::Resp3).await;
        let proved = proved(&stage);
        let walk = Opener::walk(&stage.core.context, &proved).checkout(&stage.core);
        let _walk = walk.await.unwrap();
        let begun = ["HELLO 2 AUTH app__acme:walk correct horse"];
        assert_eq!(stage.server.heard_by(2), begun);
    });
}
