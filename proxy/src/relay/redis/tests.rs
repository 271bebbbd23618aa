//! The pump between a client and a server in memory. The server does what it is told, or answers
//! each request with its arguments.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tenantsdb_codecs::redis::client::{Bounds, Scan, Scanned};
use tenantsdb_codecs::redis::command::Rules;
use tenantsdb_codecs::redis::server::{self, Protocol};
use tenantsdb_codecs::redis::table::Table;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use super::pump::{Broken, Desk, Pump, Turn};
use super::wires::Wires;
use crate::drain::Drain;
use crate::fake::redis::TABLE;
use crate::fake::run;
use crate::front::redis::registry::Tenants;
use crate::front::redis::registry::tests::entrance;
use crate::front::redis::state::State;
use crate::metrics::Metrics;
use crate::relay::End;

mod bounds;

/// What a session may do.
#[derive(Clone, Copy)]
struct May {
    protocol: Protocol,
    value_bytes_max: Option<u64>,
    full: bool,
    room: usize,
}

const MAY: May = May {
    protocol: Protocol::Resp2,
    value_bytes_max: None,
    full: false,
    room: 64 * 1024,
};

/// A session between the two ends that are answered.
fn session(may: May) -> (DuplexStream, DuplexStream, JoinHandle<Turn>) {
    let (mut near_client, client) = duplex(may.room);
    let (mut near_server, server) = duplex(may.room);
    let pump = async move {
        let table = Table::read(TABLE).unwrap();
        let member = Arc::<Tenants>::default().enter(entrance("app__acme", 1));
        let over = || may.full.then(|| "OOM too full".to_owned());
        let desk = Desk {
            table: Some(&table),
            rules: &Rules::default(),
            prefix: b"acme:",
            member: &member,
            value_bytes_max: may.value_bytes_max,
            over_limit: &over,
            drain: &Drain::default(),
            metrics: &Metrics::default(),
            releases: false,
        };
        let (mut wires, mut state) = (Wires::default(), State::new(may.protocol));
        let mut pump = Pump::new(
            &mut near_client,
            Some(&mut near_server),
            &desk,
            &mut wires,
            &mut state,
        );
        poll_fn(|cx| pump.poll(cx)).await
    };
    (client, server, spawn_local(pump))
}

/// Answers each request with a string of its arguments, `blpop` never, and transactions as Redis
/// does. Reads whether or not anybody takes its answers. Ends with all that it was sent.
fn answering(server: DuplexStream) -> JoinHandle<Vec<u8>> {
    let (mut from, mut to) = tokio::io::split(server);
    let (answers, mut answered) = unbounded_channel::<Vec<u8>>();
    spawn_local(async move {
        while let Some(answer) = answered.recv().await {
            if to.write_all(&answer).await.is_err() {
                return;
            }
        }
    });
    spawn_local(async move {
        let (mut heard, mut at) = (Vec::new(), 0);
        let mut multi: Option<Vec<u8>> = None;
        let mut queued = 0;
        while from.read_buf(&mut heard).await.unwrap_or(0) > 0 {
            let mut out = Vec::new();
            loop {
                let mut scan = Scan::default();
                let rest = &heard[at..];
                let Ok(Scanned::Whole { bytes }) = scan.resume(rest, &Bounds::AFTER_AUTH) else {
                    break;
                };
                let words: Vec<&[u8]> = (0..scan.len())
                    .map(|index| scan.arg(rest, index).unwrap())
                    .collect();
                let said = words.join(&b' ');
                let name = words[0].to_ascii_lowercase();
                match (name.as_slice(), &mut multi) {
                    (b"blpop", None) => {}
                    (b"multi", None) => {
                        (multi, queued) = (Some(Vec::new()), 0);
                        server::simple("OK", &mut out);
                    }
                    (b"exec", Some(replies)) => {
                        server::array(queued, &mut out);
                        out.append(replies);
                        multi = None;
                    }
                    (b"discard", Some(_)) => {
                        multi = None;
                        server::simple("OK", &mut out);
                    }
                    (_, Some(replies)) => {
                        server::bulk(&said, replies);
                        queued += 1;
                        server::simple("QUEUED", &mut out);
                    }
                    (_, None) => server::bulk(&said, &mut out),
                }
                at += bytes;
            }
            let _ = answers.send(out);
        }
        heard
    })
}

fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    server::command(words, &mut out);
    out
}

fn words(text: &str) -> Vec<u8> {
    let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
    request(&words)
}

async fn expect(client: &mut DuplexStream, expected: &[u8]) {
    let mut read = vec![0; expected.len()];
    let reading = timeout(Duration::from_secs(20), client.read_exact(&mut read));
    reading.await.expect("it comes in time").unwrap();
    assert_eq!(
        String::from_utf8_lossy(&read),
        String::from_utf8_lossy(expected)
    );
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

#[test]
fn requests_and_replies_split_anywhere_are_the_same() {
    let sent = [
        words("SET a 1"),
        b"get  \"b\"\r\n".to_vec(),
        b"\r\n*0\r\n".to_vec(),
        words("MGET a b"),
        words("NOSUCH x"),
        words("SUNIONSTORE d a b"),
    ]
    .concat();
    let expected = [
        bulk("SET acme:a 1"),
        bulk("get acme:b"),
        bulk("MGET acme:a acme:b"),
        "-ERR unknown command 'NOSUCH', with args beginning with: 'x' \r\n".to_owned(),
        bulk("SUNIONSTORE acme:d acme:a acme:b"),
    ]
    .concat();
    for (split, room) in (0..sent.len()).zip([1, 2, 3, 7, 64, 4096].into_iter().cycle()) {
        run(async {
            let (mut client, server, pump) = session(May { room, ..MAY });
            let server = answering(server);
            let sending = async {
                client.write_all(&sent[..split]).await.unwrap();
                tokio::task::yield_now().await;
                client.write_all(&sent[split..]).await.unwrap();
                expect(&mut client, expected.as_bytes()).await;
            };
            sending.await;
            drop(client);
            let turn = pump.await.unwrap();
            assert!(matches!(turn, Turn::End(End::ClientGone(_))), "{turn:?}");
            let heard = server.await.unwrap();
            assert!(!heard.is_empty());
        });
    }
}

#[test]
fn the_sessions_own_business_waits_until_the_client_has_taken_its_answers() {
    run(async {
        let (mut client, _server, pump) = session(May { room: 32, ..MAY });
        client.write_all(b"ACL WHOAMI\r\n").await.unwrap();
        client
            .write_all(b"CLIENT INFO\r\nDBSIZE\r\n")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!pump.is_finished());
        expect(&mut client, b"$9\r\napp__acme\r\n").await;
        let mut rest = vec![0; 4096];
        let read = async {
            while !pump.is_finished() {
                let reading = client.read(&mut rest);
                let _ = timeout(Duration::from_millis(5), reading).await;
            }
        };
        timeout(Duration::from_secs(20), read).await.unwrap();
        assert!(matches!(pump.await.unwrap(), Turn::Ask));
    });
}

#[test]
fn who_does_not_take_our_own_answers_is_not_read() {
    run(async {
        let (client, _server, _pump) = session(MAY);
        let (mut from, mut to) = tokio::io::split(client);
        let requests = b"CLIENT INFO\r\n".repeat(20_000);
        let writing = spawn_local(async move { to.write_all(&requests).await.map(|()| to) });
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!writing.is_finished());
        let mut read = vec![0; 64 * 1024];
        while !writing.is_finished() {
            let reading = timeout(Duration::from_secs(20), from.read(&mut read));
            assert!(reading.await.unwrap().unwrap() > 0);
        }
        writing.await.unwrap().unwrap();
    });
}

#[test]
fn who_sends_all_before_it_reads_is_not_stopped() {
    run(async {
        let (mut client, server, _pump) = session(MAY);
        let _server = answering(server);
        let value = "v".repeat(500);
        for n in 0..20_000 {
            client
                .write_all(&words(&format!("ECHO {value}{n}")))
                .await
                .unwrap();
            if n % 1000 == 0 {
                client.write_all(b"SELECT 0\r\nFOO\r\n").await.unwrap();
            }
        }
        for n in 0..20_000 {
            expect(&mut client, bulk(&format!("ECHO {value}{n}")).as_bytes()).await;
            if n % 1000 == 0 {
                let own = b"+OK\r\n-ERR unknown command 'FOO', with args beginning with: \r\n";
                expect(&mut client, own).await;
            }
        }
    });
}

#[test]
fn a_transaction_with_a_refused_command_comes_to_nothing() {
    run(async {
        let (mut client, server, _pump) = session(MAY);
        let server = answering(server);
        let sent = "MULTI\r\nGET a\r\nCONFIG GET x\r\nGET b\r\nEXEC\r\nMULTI\r\nGET a\r\n\
                    CLIENT GETNAME\r\nGET b\r\nEXEC\r\nGET c\r\n";
        client.write_all(sent.as_bytes()).await.unwrap();
        expect(
            &mut client,
            b"+OK\r\n+QUEUED\r\n-NOPERM the 'config|get' command",
        )
        .await;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(client.read_u8().await.unwrap());
        }
        let aborted = "+QUEUED\r\n-EXECABORT Transaction discarded because of previous errors.\r\n";
        expect(&mut client, aborted.as_bytes()).await;
        let done = format!(
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n{}$-1\r\n{}{}",
            bulk("GET acme:a"),
            bulk("GET acme:b"),
            bulk("GET acme:c")
        );
        expect(&mut client, done.as_bytes()).await;
        drop(client);
        let heard = String::from_utf8(server.await.unwrap()).unwrap();
        assert_eq!(heard.matches("DISCARD").count(), 1);
        assert_eq!(heard.matches("EXEC\r\n").count(), 1);
        assert!(!heard.contains("CONFIG"));
    });
}

#[test]
fn a_reply_that_nothing_asked_for_ends_the_session() {
    for said in ["+OK\r\n", ":1\r\n", "$1\r\na\r\n", "*-1\r\n", "?"] {
        run(async {
            let (mut client, mut server, pump) = session(MAY);
            client.write_all(&words("GET a")).await.unwrap();
            let mut heard = vec![0; words("GET acme:a").len()];
            server.read_exact(&mut heard).await.unwrap();
            server.write_all(b"$1\r\n1\r\n").await.unwrap();
            server.write_all(said.as_bytes()).await.unwrap();
            let turn = pump.await.unwrap();
            assert!(matches!(turn, Turn::End(End::ServerBroken(_))), "{turn:?}");
        });
    }
}

#[test]
fn half_a_reply_is_passed_on_and_ends_the_session() {
    run(async {
        let (mut client, mut server, pump) = session(MAY);
        client.write_all(&words("GET a")).await.unwrap();
        let mut heard = vec![0; words("GET acme:a").len()];
        server.read_exact(&mut heard).await.unwrap();
        server.write_all(b"$10\r\nhalf").await.unwrap();
        expect(&mut client, b"$10\r\nhalf").await;
        drop(server);
        let turn = pump.await.unwrap();
        assert!(matches!(turn, Turn::End(End::ServerGone(None))), "{turn:?}");
    });
}

#[test]
fn a_server_that_goes_when_nothing_is_owed_takes_nothing_with_it() {
    run(async {
        let (_client, server, pump) = session(MAY);
        drop(server);
        assert!(matches!(pump.await.unwrap(), Turn::Lost));
    });
}

#[test]
fn a_client_that_goes_is_noticed_while_it_waits_for_ever() {
    for behind in ["", "KEYS *\r\n", "GET "] {
        run(async {
            let (mut client, server, pump) = session(MAY);
            let _server = answering(server);
            let sent = format!("BLPOP a 0\r\n{behind}");
            client.write_all(sent.as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
            drop(client);
            let turn = timeout(Duration::from_secs(2), pump).await;
            let turn = turn.expect("at once").unwrap();
            assert!(matches!(turn, Turn::End(End::ClientGone(_))), "{turn:?}");
        });
    }
}

#[test]
fn a_long_value_takes_little_room_on_its_way() {
    const VALUE_BYTES: usize = 10 << 20;
    run(async {
        let (client, server, _pump) = session(MAY);
        let (mut from, mut to) = tokio::io::split(client);
        let value = vec![b'v'; VALUE_BYTES];
        let mut sent = request(&[b"SET", b"a", &value]);
        sent.extend(words("GET b"));
        let (tell, told) = tokio::sync::oneshot::channel();
        let sending = spawn_local(async move {
            let mut taken = 0;
            while taken < sent.len() {
                let write = timeout(Duration::from_millis(50), to.write(&sent[taken..]));
                match write.await {
                    Ok(bytes) => taken += bytes.unwrap(),
                    Err(_) => break,
                }
            }
            tell.send(taken).unwrap();
            to.write_all(&sent[taken..]).await.unwrap();
        });
        let stuck = told.await.unwrap();
        // Until here the server has taken nothing.
        let _server = answering(server);
        sending.await.unwrap();
        assert!(stuck < 400 * 1024, "{stuck} bytes are held");
        let mut read = vec![0; VALUE_BYTES + 200];
        let head = format!("${}\r\nSET acme:a ", VALUE_BYTES + 11);
        let whole = head.len() + VALUE_BYTES + 2;
        from.read_exact(&mut read[..whole]).await.unwrap();
        assert!(read.starts_with(head.as_bytes()) && read[..whole].ends_with(b"vv\r\n"));
        let next = bulk("GET acme:b");
        from.read_exact(&mut read[..next.len()]).await.unwrap();
        assert_eq!(&read[..next.len()], next.as_bytes());
    });
}

#[test]
fn what_is_longer_than_allowed_is_refused_and_the_session_goes_on() {
    run(async {
        let (mut client, server, _pump) = session(May {
            value_bytes_max: Some(1000),
            ..MAY
        });
        let server = answering(server);
        for bytes in [1001, 70_000, 3 << 20] {
            let value = vec![b'v'; bytes];
            client
                .write_all(&request(&[b"SET", b"a", &value, b"EX", b"1"]))
                .await
                .unwrap();
            let text = b"-ERR value too long: the blueprint allows 1000 bytes\r\n";
            expect(&mut client, text).await;
        }
        client.write_all(&words("GET a")).await.unwrap();
        expect(&mut client, bulk("GET acme:a").as_bytes()).await;
        drop(client);
        assert_eq!(server.await.unwrap(), words("GET acme:a"));
    });
}

#[test]
fn a_request_of_many_arguments_has_its_keys_in_place() {
    run(async {
        let (mut client, server, _pump) = session(MAY);
        let server = answering(server);
        let keys: Vec<String> = (0..30_000).map(|n| format!("key:{n}")).collect();
        let mut sent: Vec<&[u8]> = vec![b"MSET"];
        sent.extend(keys.iter().flat_map(|key| [key.as_bytes(), b"value"]));
        client.write_all(&request(&sent)).await.unwrap();
        client.write_all(&words("GET a")).await.unwrap();
        let named: Vec<String> = keys.iter().map(|key| format!("acme:{key} value")).collect();
        let expected = bulk(&format!("MSET {}", named.join(" ")));
        expect(&mut client, expected.as_bytes()).await;
        expect(&mut client, bulk("GET acme:a").as_bytes()).await;
        drop(client);
        server.await.unwrap();
    });
}

#[test]
fn nothing_is_added_to_a_full_database() {
    run(async {
        let (mut client, server, _pump) = session(May { full: true, ..MAY });
        let _server = answering(server);
        client.write_all(b"SET a 1\r\nDEL a\r\n").await.unwrap();
        expect(&mut client, b"-OOM too full\r\n").await;
        expect(&mut client, bulk("DEL acme:a").as_bytes()).await;
    });
}

#[test]
fn replies_that_the_client_does_not_want_are_dropped() {
    run(async {
        let (mut client, server, _pump) = session(MAY);
        let _server = answering(server);
        let sent = "CLIENT REPLY SKIP\r\nGET a\r\nGET b\r\nCLIENT REPLY OFF\r\nGET c\r\nFOO\r\n\
                    SELECT 0\r\nCLIENT REPLY ON\r\nGET d\r\n";
        client.write_all(sent.as_bytes()).await.unwrap();
        let expected = [&bulk("GET acme:b"), "+OK\r\n", &bulk("GET acme:d")].concat();
        expect(&mut client, expected.as_bytes()).await;
    });
}

#[test]
fn bytes_that_are_no_request_end_the_session_behind_what_is_owed() {
    run(async {
        let (mut client, server, pump) = session(MAY);
        let _server = answering(server);
        client.write_all(b"GET a\r\n*1\r\n!x\r\n").await.unwrap();
        let expected = bulk("GET acme:a") + "-ERR Protocol error: expected '$', got '!'\r\n";
        expect(&mut client, expected.as_bytes()).await;
        let turn = pump.await.unwrap();
        let broken = matches!(turn, Turn::End(End::ClientBroken(Broken::Protocol(_))));
        assert!(broken, "{turn:?}");
    });
}

#[test]
fn subscribers_hear_their_own_channels_in_their_own_words() {
    run(async {
        let (mut client, mut server, _pump) = session(MAY);
        client
            .write_all(b"PSUBSCRIBE n?ws x*\r\nPSUBSCRIBE y\r\nGET a\r\nPING\r\n")
            .await
            .unwrap();
        let asked = words("PSUBSCRIBE acme:*");
        let mut heard = vec![0; asked.len()];
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, asked);
        server
            .write_all(b"*3\r\n$10\r\npsubscribe\r\n$6\r\nacme:*\r\n:1\r\n")
            .await
            .unwrap();
        let confirmed = "*3\r\n$10\r\npsubscribe\r\n$4\r\nn?ws\r\n:1\r\n\
                         *3\r\n$10\r\npsubscribe\r\n$2\r\nx*\r\n:2\r\n\
                         *3\r\n$10\r\npsubscribe\r\n$1\r\ny\r\n:3\r\n\
                         -ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / \
                         QUIT / RESET are allowed in this context\r\n\
                         *2\r\n$4\r\npong\r\n$0\r\n\r\n";
        expect(&mut client, confirmed.as_bytes()).await;
        for channel in ["acme:none", "globex:news", "acme:news"] {
            let said = format!(
                "*4\r\n$8\r\npmessage\r\n$6\r\nacme:*\r\n{}{}",
                bulk(channel),
                bulk("hello")
            );
            let (front, back) = said.split_at(said.len() / 2);
            server.write_all(front.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
            server.write_all(back.as_bytes()).await.unwrap();
        }
        let told = "*4\r\n$8\r\npmessage\r\n$4\r\nn?ws\r\n$4\r\nnews\r\n$5\r\nhello\r\n";
        expect(&mut client, told.as_bytes()).await;
    });
}

#[test]
fn pushes_go_past_replies_without_their_prefix() {
    run(async {
        let (mut client, mut server, _pump) = session(May {
            protocol: Protocol::Resp3,
            ..MAY
        });
        client
            .write_all(b"CLIENT TRACKING ON BCAST\r\nGET a\r\nCLIENT GETREDIR\r\n")
            .await
            .unwrap();
        let asked = [
            words("CLIENT TRACKING ON BCAST PREFIX acme:"),
            words("GET acme:a"),
        ]
        .concat();
        let mut heard = vec![0; asked.len()];
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, asked);
        server
            .write_all(
                b"+OK\r\n>2\r\n$10\r\ninvalidate\r\n*2\r\n$6\r\nacme:a\r\n$8\r\nglobex:b\r\n\
                  $1\r\n1\r\n",
            )
            .await
            .unwrap();
        let told = b"+OK\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n$1\r\n1\r\n:0\r\n";
        expect(&mut client, told).await;
        client
            .write_all(b"CLIENT TRACKING ON OPTIN OPTOUT\r\nCLIENT TRACKING OFF\r\n")
            .await
            .unwrap();
        server.write_all(b"-ERR both\r\n+OK\r\n").await.unwrap();
        expect(&mut client, b"-ERR both\r\n+OK\r\n").await;
        client.write_all(b"CLIENT GETREDIR\r\n").await.unwrap();
        expect(&mut client, b":-1\r\n").await;
    });
}
