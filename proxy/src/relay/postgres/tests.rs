use std::time::Duration;

use proptest::prelude::*;
use tenantsdb_codecs::postgres::client::{encode_query, encode_sync};
use tenantsdb_codecs::postgres::report::Severity;
use tenantsdb_codecs::postgres::server::{CommandComplete, TransactionStatus};
use tenantsdb_codecs::postgres::sqlstate::SqlState;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::drain::Drain;
use crate::relay::{End, Relay};

type Ended = crate::relay::Ended<Error>;
use crate::back::postgres::Parameters;
use crate::ddl::session::{Author, Inspect};
use crate::fake::{fail, ready};

fn query(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode_query(text, &mut out).unwrap();
    out
}

fn done(tag: &str) -> Vec<u8> {
    let mut out = Vec::new();
    CommandComplete { tag }.encode(&mut out).unwrap();
    ready(TransactionStatus::Idle, &mut out);
    out
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag], &length.to_be_bytes()[..], body].concat()
}

fn author() -> Author {
    Author {
        session: "s".to_owned(),
        database: "app_dev".to_owned(),
        user: "app_dev".to_owned(),
        pid: 7,
    }
}

/// Relays between the near ends of two pipes; the peers have the far ends.
async fn relay<R>(
    pipe_bytes: usize,
    early: &[u8],
    inspect: bool,
    drain: &Drain,
    peers: impl AsyncFnOnce(DuplexStream, DuplexStream) -> R,
) -> (Ended, R) {
    let (mut client, far_client) = duplex(pipe_bytes);
    let (mut server, far_server) = duplex(pipe_bytes);
    // Nobody delivers: a capture waits for its whole time.
    let (captures, _delivery) = crate::ddl::channel();
    let mut parameters = Parameters::default();
    let inspect = inspect.then(|| Box::new(Inspect::new(author())));
    let mut traffic = Traffic::new(&mut parameters, inspect);
    let early = early.to_vec();
    let mut relay = Relay::new(&mut client, &mut server, early, &mut traffic, &captures);
    tokio::join!(relay.run(drain), peers(far_client, far_server))
}

async fn read(stream: &mut DuplexStream, bytes: usize) -> Vec<u8> {
    let mut buf = vec![0; bytes];
    stream.read_exact(&mut buf).await.unwrap();
    buf
}

#[tokio::test]
async fn what_was_sent_early_goes_first_and_a_goodbye_is_not_forwarded() {
    let early = query("early");
    let drain = Drain::default();
    let (ended, ()) = relay(
        4096,
        &early,
        false,
        &drain,
        async |mut client, mut server| {
            let late = query("late");
            client
                .write_all(&[&late[..], b"X\0\0\0\x04"].concat())
                .await
                .unwrap();
            let both = [early.clone(), late].concat();
            assert_eq!(read(&mut server, both.len()).await, both);
            let answers = [done("A"), done("B")].concat();
            server.write_all(&answers).await.unwrap();
            assert_eq!(read(&mut client, answers.len()).await, answers);
        },
    )
    .await;
    assert!(matches!(ended.end, End::Goodbye), "{ended:?}");
    assert!(
        ended.settled && !ended.busy && ended.client_at_boundary,
        "{ended:?}"
    );
}

/// Plays a client that begins a transaction, sends `last` and goes; answers how that ended and how
/// long it took.
async fn leave_in_a_transaction(last: &[u8]) -> (Ended, Duration) {
    let drain = Drain::default();
    let started = tokio::time::Instant::now();
    let (ended, _server) = relay(4096, b"", false, &drain, async |mut client, mut server| {
        client.write_all(&query("BEGIN")).await.unwrap();
        read(&mut server, query("BEGIN").len()).await;
        let mut answer = Vec::new();
        ready(TransactionStatus::InTransaction, &mut answer);
        server.write_all(&answer).await.unwrap();
        read(&mut client, answer.len()).await;
        client.write_all(last).await.unwrap();
        drop(client);
        server
    })
    .await;
    (ended, started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_in_a_transaction_ends_the_session_at_once() {
    let (ended, took) = leave_in_a_transaction(b"X\0\0\0\x04").await;
    assert!(matches!(ended.end, End::Goodbye), "{ended:?}");
    assert!(!ended.busy && !ended.settled, "{ended:?}");
    assert_eq!(took, Duration::ZERO, "its locks are held no longer");
}

#[tokio::test(start_paused = true)]
async fn what_is_abandoned_in_a_transaction_behind_a_flush_is_at_work() {
    let batch = [
        message(b'P', b"\0select pg_sleep(99)\0\0\0"),
        message(b'B', b"\0\0\0\0\0\0\0\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'H', b""),
    ]
    .concat();
    for goodbye in [&b""[..], b"X\0\0\0\x04"] {
        let (ended, _) = leave_in_a_transaction(&[&batch, goodbye].concat()).await;
        assert!(ended.busy && !ended.settled, "{ended:?}");
    }
}

#[tokio::test]
async fn both_directions_go_on_when_both_peers_are_blocked_writing() {
    let drain = Drain::default();
    let (ended, ()) = relay(512, b"", false, &drain, async |client, server| {
        let rows = message(b'D', &[7; 1000]).repeat(500);
        let questions = query(&"q".repeat(1000)).repeat(500);
        let (mut client_read, mut client_write) = tokio::io::split(client);
        let (mut server_read, mut server_write) = tokio::io::split(server);
        // Neither reads before it has written everything, but for what a second task takes.
        let (from_client, from_server) = tokio::join!(
            async {
                let mut all = vec![0; rows.len()];
                let (read, written) = tokio::join!(
                    client_read.read_exact(&mut all),
                    client_write.write_all(&questions)
                );
                read.unwrap();
                written.unwrap();
                client_write.shutdown().await.unwrap();
                all
            },
            async {
                let mut all = vec![0; questions.len()];
                let (read, written) = tokio::join!(
                    server_read.read_exact(&mut all),
                    server_write.write_all(&rows)
                );
                read.unwrap();
                written.unwrap();
                all
            }
        );
        assert_eq!((from_client, from_server), (rows, questions));
    })
    .await;
    assert!(ended.busy && !ended.settled, "{ended:?}");
}

#[tokio::test]
async fn a_client_that_stops_inside_a_message_leaves_nothing_to_reuse() {
    for cut in [b"Q".as_slice(), b"Q\0\0\0\x0aab"] {
        let drain = Drain::default();
        let (ended, ()) = relay(64, b"", false, &drain, async |mut client, mut server| {
            client.write_all(cut).await.unwrap();
            drop(client);
            assert_eq!(read(&mut server, cut.len()).await, cut);
        })
        .await;
        assert!(matches!(ended.end, End::ClientGone(None)), "{ended:?}");
        assert!(!ended.settled, "{ended:?}");
    }
}

#[tokio::test]
async fn a_server_that_goes_says_why_or_not() {
    for explained in [false, true] {
        let drain = Drain::default();
        let (ended, _client) = relay(4096, b"", false, &drain, async |client, mut server| {
            if explained {
                let mut out = Vec::new();
                fail(SqlState::ADMIN_SHUTDOWN, Severity::Fatal, &mut out);
                server.write_all(&out).await.unwrap();
            }
            client
        })
        .await;
        assert!(matches!(ended.end, End::ServerGone(None)), "{ended:?}");
        assert_eq!(ended.server_explained, explained);
        assert!(ended.client_at_boundary);
    }
}

#[tokio::test]
async fn what_is_not_the_protocol_ends_the_session() {
    let drain = Drain::default();
    let (ended, ()) = relay(
        64,
        b"Q\0\0\0\x03",
        false,
        &drain,
        async |_client, _server| {},
    )
    .await;
    assert!(matches!(ended.end, End::ClientBroken(_)), "{ended:?}");
    let (ended, _client) = relay(64, b"", false, &drain, async |client, mut server| {
        server.write_all(b"Z\0\0\0\x05?").await.unwrap();
        client
    })
    .await;
    assert!(matches!(ended.end, End::ServerBroken(_)), "{ended:?}");
}

#[tokio::test]
async fn a_drain_waits_for_the_end_of_a_batch() {
    let drain = Drain::default();
    let (ended, _peers) = relay(4096, b"", false, &drain, async |mut client, mut server| {
        let mut batch = message(b'P', b"\0select 1\0\0\0");
        encode_sync(&mut batch);
        client.write_all(&batch).await.unwrap();
        read(&mut server, batch.len()).await;
        drain.begin();
        server.write_all(&done("SELECT 1")).await.unwrap();
        read(&mut client, done("SELECT 1").len()).await;
        (client, server)
    })
    .await;
    assert!(matches!(ended.end, End::Drained), "{ended:?}");
    assert!(ended.settled);
}

#[tokio::test(start_paused = true)]
async fn a_capture_holds_back_the_ready_message_and_nothing_before_it() {
    let drain = Drain::default();
    let create = query("create table t(i int)");
    let (ended, ()) = relay(4096, b"", true, &drain, async |mut client, mut server| {
        client.write_all(&create).await.unwrap();
        read(&mut server, create.len()).await;
        let answer = done("CREATE TABLE");
        let ready = answer.len() - 6;
        server.write_all(&answer).await.unwrap();
        assert_eq!(read(&mut client, ready).await, answer[..ready]);
        // The other direction goes on, and what the server sends next waits its turn.
        client.write_all(&query("select 1")).await.unwrap();
        read(&mut server, query("select 1").len()).await;
        server.write_all(&done("SELECT 1")).await.unwrap();
        let more = tokio::time::timeout(Duration::from_secs(4), client.read_u8()).await;
        assert!(more.is_err(), "{more:?}");
        let rest = [&answer[ready..], &done("SELECT 1")].concat();
        assert_eq!(read(&mut client, rest.len()).await, rest);
        client.write_all(b"X\0\0\0\x04").await.unwrap();
    })
    .await;
    assert!(ended.settled, "{ended:?}");
}

fn server_messages() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let tag = prop::sample::select(b"TDCNASd123".to_vec());
    let body = prop::collection::vec(any::<u8>(), 0..40);
    prop::collection::vec((tag, body), 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_byte_arrives_wherever_the_stream_is_cut(
        list in server_messages(),
        pipe_bytes in 1_usize..50,
        inspect in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bodies = list.iter().flat_map(|(tag, body)| message(*tag, body));
        let sent: Vec<u8> = bodies.chain(done("SELECT 1")).collect();
        let question = query("select something");
        let drain = Drain::default();
        let (ended, got) = runtime.block_on(relay(
            pipe_bytes, b"", inspect, &drain,
            async |mut client, mut server| {
                let talk = async {
                    client.write_all(&question).await.unwrap();
                    let got = read(&mut client, sent.len()).await;
                    client.write_all(b"X").await.unwrap(); // nobody reads on
                    got
                };
                let serve = async {
                    assert_eq!(read(&mut server, question.len()).await, question);
                    server.write_all(&sent).await.unwrap();
                };
                tokio::join!(talk, serve).0
            },
        ));
        prop_assert_eq!(got, sent);
        prop_assert!(matches!(ended.end, End::Goodbye));
    }
}
