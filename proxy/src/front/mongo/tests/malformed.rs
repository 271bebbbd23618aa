//! Bytes that are no message: an error that says why, or the end, and no memory for what was only
//! announced.

use super::*;
use crate::stream::Stream;
use tenantsdb_codecs::mongo::bson::DEPTH_MAX;

const CHECKED: Flags = Flags {
    checksum_present: true,
    ..Flags::NONE
};

fn header(length: i32, opcode: i32) -> Vec<u8> {
    let words = [length, 7, 0, opcode];
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn message(flags: Flags, document: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    op_msg::write(7, 0, flags, document, &mut out);
    out
}

/// A command with a document that has `depth` levels, the command's own counted.
fn nested(name: &str, depth: usize) -> Vec<u8> {
    let mut inner = Writer::new().finish();
    for _ in 2..depth {
        let mut outer = Writer::new();
        outer.value("a", &Value::Document(Document::whole(&inner).unwrap()));
        inner = outer.finish();
    }
    let mut command = command(name);
    command.value("deep", &Value::Document(Document::whole(&inner).unwrap()));
    of_admin(command)
}

#[test]
fn bytes_that_are_no_message_end_the_connection() {
    fake::run(async {
        let stage = Stage::start().await;
        for (length, opcode) in [
            (15, 2013),
            (0, 2013),
            (-1, 2013),
            (i32::MIN, 2013),
            (i32::MAX, 2013),
            (48_000_001, 2013),
            (16, 9),
            (16, 0),
            (16, 2002),
            (16, 1),
        ] {
            for mut client in [stage.client().await, stage.logged_in().await] {
                client.send(&header(length, opcode)).await;
                let mut rest = Vec::new();
                let _ = client.stream.read_to_end(&mut rest).await;
                let ok = String::from_utf8_lossy(&rest).contains("isWritablePrimary");
                assert!(!ok, "{length} {opcode}");
            }
        }
        assert!(stage.server.heard().is_empty());
    });
}

#[test]
fn a_message_that_cannot_be_read_is_told_why() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut wrong = message(CHECKED, &simple("ping"));
        *wrong.last_mut().unwrap() ^= 1;
        let mut flagged = message(Flags::NONE, &simple("ping"));
        flagged[16] |= 1 << 5;
        let mut twice = message(Flags::NONE, &simple("ping"));
        twice.push(0);
        twice.extend(simple("ping"));
        let length = i32::try_from(twice.len()).unwrap();
        twice[..4].copy_from_slice(&length.to_le_bytes());
        let mut compressed = header(16 + 9 + 4, 2012);
        compressed.extend(2013_i32.to_le_bytes());
        compressed.extend((1_i32 << 30).to_le_bytes());
        compressed.extend([2, 0, 0, 0, 0]);
        for (what, bytes, code) in [
            ("a wrong checksum", &wrong, 288),
            ("an unknown flag that must be known", &flagged, 223),
            ("two bodies", &twice, 233),
            ("compressed", &compressed, 17),
        ] {
            for (login, mut client) in [
                ("before", stage.client().await),
                ("behind", stage.logged_in().await),
            ] {
                client.send(bytes).await;
                let answer = client.last_answer().await;
                assert_eq!(answer.code(), code, "{what}, {login} the login");
                assert_eq!(answer.header.response_to, 7, "{what}, {login} the login");
            }
        }
        assert!(stage.server.heard().is_empty());
    });
}

/// Whoever answers, the client hears of it: also where the proxy does.
#[test]
fn a_wrong_checksum_of_what_the_proxy_answers_itself_is_found() {
    fake::run(async {
        let stage = Stage::start().await;
        for name in [
            "hello",
            "isMaster",
            "ping",
            "buildInfo",
            "listDatabases",
            "whatsmyuri",
            // Refused.
            "shutdown",
            "usersInfo",
        ] {
            let mut client = stage.logged_in().await;
            let right = client.ask_with(CHECKED, &simple(name)).await;
            assert_ne!(right.code(), 288, "{name}");
            let mut wrong = message(CHECKED, &simple(name));
            *wrong.last_mut().unwrap() ^= 1;
            client.send(&wrong).await;
            assert_eq!(client.last_answer().await.code(), 288, "{name}");
        }
        assert!(stage.server.heard().is_empty());
    });
}

/// Long enough that it does not come at once.
#[test]
fn a_wrong_checksum_behind_much_is_found() {
    fake::run(async {
        let stage = Stage::start().await;
        for wrong in [false, true] {
            let mut client = stage.logged_in().await;
            let document = {
                let mut document = Writer::new();
                document.str("text", &"x".repeat(100_000));
                document.finish()
            };
            let mut shutdown = Vec::new();
            let documents = [("documents", &[document][..])];
            op_msg::write_with(
                7,
                0,
                CHECKED,
                &simple("shutdown"),
                &documents,
                &mut shutdown,
            );
            *shutdown.last_mut().unwrap() ^= u8::from(wrong);
            client.send(&shutdown).await;
            let answer = client.next().await.unwrap();
            assert_eq!(answer.code(), if wrong { 288 } else { 13 });
            if wrong {
                assert!(client.next().await.is_none());
            } else {
                assert!(client.ask(&simple("ping")).await.ok());
            }
        }
    });
}

#[test]
fn documents_are_as_deep_as_the_servers_take_and_no_deeper() {
    fake::run(async {
        let stage = Stage::start().await;
        for name in ["hello", "ping", "buildInfo"] {
            for mut client in [stage.client().await, stage.logged_in().await] {
                assert!(client.ask(&nested(name, DEPTH_MAX)).await.ok(), "{name}");
                let deeper = nested(name, DEPTH_MAX + 1);
                client.tell(Flags::NONE, &deeper).await;
                let answer = client.last_answer().await;
                assert_eq!(answer.code(), 15, "{name}");
                assert_eq!(answer.header.response_to, client.last);
            }
        }
        let mut client = stage.client().await;
        let mut hello = Vec::new();
        Query::write(
            7,
            "admin.$cmd",
            &nested("isMaster", DEPTH_MAX + 1),
            &mut hello,
        );
        client.send(&hello).await;
        assert_eq!(client.last_answer().await.code(), 15);
    });
}

#[test]
fn half_a_message_is_not_waited_for_without_end() {
    fake::run(async {
        let stage =
            Stage::with(|config| config.handshake_timeout = Duration::from_millis(50)).await;
        let mut client = stage.client().await;
        client.send(&100_i32.to_le_bytes()).await;
        assert!(client.next().await.is_none());
        // Nor of a monitor.
        let mut monitor = stage.client().await;
        assert!(monitor.ask(&simple("hello")).await.ok());
        monitor
            .send(&message(Flags::NONE, &simple("hello"))[..20])
            .await;
        assert!(monitor.next().await.is_none());
    });
}

/// Polls a future that must not be done, until all that was sent has been taken.
async fn stays<F: Future>(future: F) {
    let mut future = std::pin::pin!(future);
    for _ in 0..10 {
        let polled = futures_poll(future.as_mut()).await;
        assert!(polled.is_none(), "it is not done");
        tokio::task::yield_now().await;
    }
}

async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn what_is_only_announced_takes_no_memory() {
    for announced in [100, 16_384, 48_000_000] {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let peer = ([127, 0, 0, 1], 1).into();
        let mut client = Client::new(Stream::Plain(near), peer, 1);
        let mut begin = header(announced, 2013);
        // Of the body that is announced inside too there is no more than a few bytes.
        begin.extend([0; 5]);
        begin.extend((announced - 21).min(16_000_000).to_le_bytes());
        begin.extend([0x10, b'a']);
        far.write_all(&begin).await.unwrap();
        stays(client.message(MESSAGE_BYTES_MAX)).await;
        assert_eq!(client.inbox.unread(), begin);
        assert!(
            client.inbox.capacity() <= 8_192,
            "{}",
            client.inbox.capacity()
        );
    }
}
