use tenantsdb_codecs::feed::route::Status;
use tenantsdb_codecs::mysql::client::{Command, encode_command};
use tenantsdb_codecs::mysql::flags::Capabilities;

use super::*;
use crate::config::Config;
use crate::fake::mysql::{Client, Mood, Refused, Server, connect, proxy, query, route};
use crate::fake::{self, DATABASE, PASSWORD, until};
use crate::metrics::Outcome;

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
    fake::put(&core.context, route(server_addr));
    let addr = proxy(&core).await;
    Stage {
        server,
        core,
        addr,
        server_addr,
    }
}

impl Stage {
    async fn client(&self) -> Client {
        connect(self.addr, DATABASE, PASSWORD, b"").await.unwrap()
    }

    fn resets(&self, outcome: Outcome) -> u64 {
        self.core.context.metrics.resets.value(outcome)
    }
}

const RESET: [&str; 3] = [
    "RESET",
    "USE app__acme",
    "SET character_set_client=utf8mb4,character_set_results=utf8mb4,\
     collation_connection=utf8mb4_general_ci",
];

#[test]
fn a_connection_is_reset_confirmed_and_used_again() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut client = stage.client().await;
        client.query("one").await.unwrap();
        client.leave().await;
        until(|| stage.resets(Outcome::Ok) == 1).await;
        stage.client().await.query("two").await.unwrap();
        let expected = ["one", RESET[0], RESET[1], RESET[2], "two"];
        assert_eq!(stage.server.heard_by(1), expected);
        assert_eq!(stage.server.open(), 1);
    });
}

#[test]
fn a_reset_that_is_not_confirmed_costs_the_connection() {
    for mood in [Mood::RefuseReset, Mood::Babble, Mood::ConfirmAnother] {
        fake::run(async {
            let stage = stage(|_| {}).await;
            let client = stage.client().await;
            stage.server.be(mood);
            client.leave().await;
            until(|| stage.resets(Outcome::Failed) == 1).await;
            until(|| stage.server.open() == 0).await;
        });
    }
}

// CVE-2023-28858: the reply to a request that was given up went to whoever came next.
#[test]
fn a_client_that_goes_before_its_reply_costs_the_connection() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut client = stage.client().await;
        // Half a command, then nothing.
        client.send(&query("insert")[..9]).await;
        drop(client);
        until(|| stage.server.open() == 0).await;
        assert_eq!(stage.resets(Outcome::Ok) + stage.resets(Outcome::Failed), 0);
        stage.client().await.query("two").await.unwrap();
        assert_eq!(stage.server.heard_by(2), ["two"]);
    });
}

// proxysql reg 3992: bytes read during the handshake were lost when raw mode began.
#[test]
fn what_comes_behind_the_login_is_forwarded_first() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let early = connect(stage.addr, DATABASE, PASSWORD, &query("early")).await;
        let mut client = early.unwrap();
        client.answer().await.unwrap();
        client.query("late").await.unwrap();
        assert_eq!(stage.server.heard_by(1), ["early", "late"]);
    });
}

#[test]
fn wrong_password_and_unknown_user_have_one_answer_and_touch_no_server() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        for (user, password) in [(DATABASE, &b"wrong"[..]), ("app__nobody", PASSWORD)] {
            let refused = connect(stage.addr, user, password, b"")
                .await
                .err()
                .unwrap();
            let text = format!("Access denied for user '{user}'@'127.0.0.1' (using password: YES)");
            assert_eq!(refused, Refused::Error(1045, text));
        }
        assert_eq!(stage.server.open(), 0);
    });
}

#[test]
fn a_suspended_database_is_told_to_those_who_have_proved_themselves_only() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut suspended = route(stage.server_addr);
        suspended.status = Status::Suspended;
        fake::put(&stage.core.context, suspended);
        let told = |refused| match refused {
            Refused::Error(code, _) => code,
            Refused::Closed => 0,
        };
        let refused = connect(stage.addr, DATABASE, PASSWORD, b"").await;
        assert_eq!(told(refused.err().unwrap()), 4151);
        let refused = connect(stage.addr, DATABASE, b"wrong", b"").await;
        assert_eq!(told(refused.err().unwrap()), 1045);
    });
}

#[test]
fn a_server_that_cannot_do_what_was_agreed_is_not_used() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        stage.server.be(Mood::Lack(Capabilities::SESSION_TRACK));
        let refused = connect(stage.addr, DATABASE, PASSWORD, b"").await;
        let text = "the database server cannot be used".to_owned();
        assert_eq!(refused.err(), Some(Refused::Error(2003, text)));
    });
}

#[test]
fn a_login_that_only_the_server_refuses_is_told_so() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        stage.server.be(Mood::RefuseLogin(Code::ACCESS_DENIED));
        let refused = connect(stage.addr, DATABASE, PASSWORD, b"").await;
        let Some(Refused::Error(1045, text)) = refused.err() else {
            panic!("1045 is the answer");
        };
        assert!(text.contains("tdb credentials rotate"), "{text}");
    });
}

#[test]
fn a_server_that_asks_for_a_file_gets_none_and_is_not_used_again() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut client = stage.client().await;
        stage.server.be(Mood::AskForFile);
        let Err(Refused::Error(1835, text)) = client.query("select 1").await else {
            panic!("the session is over");
        };
        assert!(text.contains("local file"), "{text}");
        until(|| stage.server.open() == 0).await;
    });
}

#[test]
fn a_server_that_goes_in_the_middle_is_told_of() {
    fake::run(async {
        let stage = stage(|_| {}).await;
        let mut client = stage.client().await;
        stage.server.be(Mood::HangUp);
        assert_eq!(client.query("select 1").await, Err(Refused::Closed));
        until(|| stage.server.open() == 0).await;
    });
}

#[test]
fn a_full_database_is_waited_for_and_then_told() {
    fake::run(async {
        let stage = stage(|config| {
            config.checkout_timeout = std::time::Duration::from_millis(50);
        })
        .await;
        let _first = stage.client().await;
        let refused = connect(stage.addr, DATABASE, PASSWORD, b"").await;
        let Some(Refused::Error(1040, text)) = refused.err() else {
            panic!("1040 is the answer");
        };
        assert!(text.contains("no server connection became free"), "{text}");
    });
}

#[test]
fn a_kill_goes_on_with_the_servers_own_id() {
    fake::run(async {
        let stage = stage(|config| config.server_connections_max = 2).await;
        let victim = stage.client().await;
        let mut killer = stage.client().await;
        killer
            .query(&format!("KILL QUERY {}", victim.id))
            .await
            .unwrap();
        killer.query("KILL 2147483649").await.unwrap();
        let mut command = Vec::new();
        encode_command(
            Command::PROCESS_KILL,
            &victim.id.to_le_bytes(),
            &mut command,
        );
        killer.send(&command).await;
        killer.answer().await.unwrap();
        killer.query("SELECT 1").await.unwrap();
        let expected = [
            "KILL QUERY 1",
            "KILL 2147483649",
            "Command(0x0c)",
            "SELECT 1",
        ];
        assert_eq!(stage.server.heard_by(2), expected);
    });
}
