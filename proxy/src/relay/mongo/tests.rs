use tenantsdb_codecs::mongo::bson::Writer;
use tenantsdb_codecs::mongo::frame::HEADER_LENGTH;
use tenantsdb_codecs::mongo::op_msg::{self, Flags, Message};
use tokio::io::{DuplexStream, duplex};
use tokio::time::{Duration, timeout};

use super::*;
use crate::back::mongo::ServerSession;

/// What a pipe holds that nobody reads: far less than a message.
const PIPE_BYTES: usize = 64 * 1024;

/// Longest that a message may take.
const TIME: Duration = Duration::from_secs(60);

const CHECKED: Flags = Flags {
    checksum_present: true,
    ..Flags::NONE
};

fn pipe() -> (Stream<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(PIPE_BYTES);
    (Stream::Plain(ours), theirs)
}

fn server() -> (Connection<DuplexStream>, DuplexStream) {
    let (stream, theirs) = pipe();
    let session = ServerSession::default();
    (Connection { stream, session }, theirs)
}

fn body(text: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.str("said", text);
    writer.finish()
}

fn message(id: i32, to: i32, flags: Flags, text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    op_msg::write(id, to, flags, &body(text), &mut out);
    out
}

/// Passes on what the server sent, and closed behind, as the reply to our 7, the client's 70.
async fn passed_on(sent: &[u8]) -> (Result<Replied, Broken>, Vec<u8>) {
    let (mut client, mut reads) = pipe();
    let (mut connection, mut writes) = server();
    writes.write_all(sent).await.unwrap();
    drop(writes);
    let (mut inbox, mut moved) = (Inbox::default(), Moved::default());
    let numbers = [(7, 70)];
    let replied = reply(
        &mut client,
        &mut connection,
        &mut inbox,
        &numbers,
        &mut moved,
    )
    .await;
    drop(client);
    let mut got = Vec::new();
    reads.read_to_end(&mut got).await.unwrap();
    assert_eq!(moved.to_client, got.len() as u64);
    (replied, got)
}

#[tokio::test]
async fn a_reply_has_the_clients_number_and_a_checksum_made_anew() {
    for flags in [Flags::NONE, CHECKED] {
        let (replied, got) = passed_on(&message(3, 7, flags, "hello")).await;
        assert!(!replied.unwrap().more_to_come);
        assert_eq!(got, message(3, 70, flags, "hello"));
    }
}

#[tokio::test]
async fn a_reply_to_another_request_never_reaches_the_client() {
    for to in [0, 6, 8, 70, -7] {
        let (replied, got) = passed_on(&message(3, to, Flags::NONE, "another's")).await;
        let error = replied.unwrap_err();
        let stray = matches!(
            error,
            Broken::Server { error: ServerError::Stray(other), begun: false } if other == to
        );
        assert!(stray, "{error}");
        assert!(got.is_empty());
    }
}

#[tokio::test]
async fn a_server_that_closes_within_a_reply_is_told_from_one_that_says_nothing() {
    let whole = message(3, 7, Flags::NONE, "half of this");
    for bytes in 0..whole.len() {
        let (replied, got) = passed_on(&whole[..bytes]).await;
        let error = replied.unwrap_err();
        let Broken::Server { error, begun } = error else {
            panic!("{error}");
        };
        assert!(matches!(error, ServerError::Closed), "{bytes}: {error}");
        assert_eq!(begun, !got.is_empty(), "{bytes}");
        assert!(got.len() < whole.len());
    }
}

#[tokio::test]
async fn a_reply_with_a_wrong_checksum_is_never_whole() {
    let whole = message(3, 7, CHECKED, "checked");
    for place in HEADER_LENGTH + 16..whole.len() {
        let mut sent = whole.clone();
        sent[place] ^= 1;
        let (replied, got) = passed_on(&sent).await;
        assert!(matches!(replied, Err(Broken::Server { .. })), "{place}");
        assert!(got.len() < whole.len(), "{place}");
    }
}

#[tokio::test]
async fn each_reply_of_an_exhaust_cursor_says_whether_another_follows() {
    let more = Flags {
        more_to_come: true,
        ..Flags::NONE
    };
    let (mut client, mut reads) = pipe();
    let (mut connection, mut writes) = server();
    let sent = [
        message(3, 7, more, "one"),
        message(4, 3, more, "two"),
        message(5, 4, Flags::NONE, "last"),
    ];
    writes.write_all(&sent.concat()).await.unwrap();
    let (mut inbox, mut moved) = (Inbox::default(), Moved::default());
    let mut asked = (7, 70);
    for follows in [true, true, false] {
        let numbers = [asked];
        let replied = reply(
            &mut client,
            &mut connection,
            &mut inbox,
            &numbers,
            &mut moved,
        );
        let replied = replied.await.unwrap();
        assert_eq!(replied.more_to_come, follows);
        // The client sees the server's number, and the next reply names it.
        asked = (replied.request_id, replied.request_id);
    }
    assert!(inbox.unread().is_empty());
    drop(client);
    let mut got = Vec::new();
    reads.read_to_end(&mut got).await.unwrap();
    let expected = [
        message(3, 70, more, "one"),
        message(4, 3, more, "two"),
        message(5, 4, Flags::NONE, "last"),
    ];
    assert_eq!(got, expected.concat());
}

/// Writes a message whose second half waits until the reader has nearly all of the first; answers
/// what the reader got. Whoever is between them cannot have kept it all.
async fn by_halves(
    sent: &[u8],
    mut writes: DuplexStream,
    reads: &mut DuplexStream,
    bytes: usize,
) -> Vec<u8> {
    let (first, second) = sent.split_at(sent.len() / 2);
    let (tell, told) = tokio::sync::oneshot::channel();
    let write = async move {
        writes.write_all(first).await.unwrap();
        told.await.unwrap();
        writes.write_all(second).await.unwrap();
        writes
    };
    let read = async {
        let mut got = vec![0; bytes];
        let (early, late) = got.split_at_mut(first.len() - 4 * CHUNK_BYTES);
        reads.read_exact(early).await.unwrap();
        tell.send(()).unwrap();
        reads.read_exact(late).await.unwrap();
        got
    };
    tokio::join!(write, read).1
}

#[tokio::test]
async fn a_reply_of_millions_of_bytes_goes_by() {
    let text = "x".repeat(15 << 20);
    let (mut client, mut reads) = pipe();
    let (mut connection, writes) = server();
    let sent = message(3, 7, CHECKED, &text);
    let (mut inbox, mut moved) = (Inbox::default(), Moved::default());
    let numbers = [(7, 70)];
    let passing = reply(
        &mut client,
        &mut connection,
        &mut inbox,
        &numbers,
        &mut moved,
    );
    let both = async { tokio::join!(passing, by_halves(&sent, writes, &mut reads, sent.len())) };
    let (replied, got) = timeout(TIME, both).await.expect("the reply is kept");
    replied.unwrap();
    assert!(got == message(3, 70, CHECKED, &text));
    assert!(Message::read(&got).is_ok());
}

#[tokio::test]
async fn a_request_of_46_million_bytes_goes_by() {
    let document = body(&"x".repeat(4 << 20));
    let documents = document.repeat(11);
    let mut writer = Writer::new();
    writer.str("insert", "things");
    writer.str("$db", "acme");
    let mut sent = Vec::new();
    op_msg::write(70, 0, Flags::NONE, &writer.finish(), &mut sent);
    let opening = sent.len();
    sent.push(1);
    let length = 4 + b"documents\0".len() + documents.len();
    sent.extend(u32::try_from(length).unwrap().to_le_bytes());
    sent.extend(b"documents\0");
    sent.extend(documents);
    let length = u32::try_from(sent.len()).unwrap();
    sent[..4].copy_from_slice(&length.to_le_bytes());
    let head = Head {
        bytes: opening,
        ..Head::read(&sent, MESSAGE_BYTES_MAX).unwrap().unwrap()
    };

    let (mut client, writes) = pipe();
    let (mut connection, mut reads) = server();
    let mut inbox = Inbox::of(sent[..opening].to_vec());
    let mut moved = Moved::default();
    let of = (head, "acme");
    let passing = request(&mut client, &mut inbox, &mut connection, of, &mut moved);
    let behind = &sent[opening..];
    let both = async { tokio::join!(passing, by_halves(behind, writes, &mut reads, sent.len())) };
    let (id, got) = timeout(TIME, both).await.expect("the request is kept");
    assert_eq!(id.unwrap().to_le_bytes(), got[4..8]);
    assert!(got[HEADER_LENGTH..] == sent[HEADER_LENGTH..]);
}

/// What the proxy holds of what the server sent, and closed behind, as the reply to our 7.
async fn held(sent: &[u8]) -> Result<Vec<u8>, ServerError> {
    let (mut connection, mut writes) = server();
    let sending = async move {
        // The reader may have had enough.
        let _ = writes.write_all(sent).await;
        drop(writes);
    };
    let (held, ()) = tokio::join!(hold(&mut connection, 7), sending);
    held
}

#[tokio::test]
async fn a_reply_that_is_held_is_whole_and_as_it_came() {
    let large = "x".repeat(10 * PIPE_BYTES);
    for (flags, text) in [(Flags::NONE, "held"), (CHECKED, "held"), (CHECKED, &large)] {
        let whole = message(3, 7, flags, text);
        assert_eq!(held(&whole).await.unwrap(), whole);
    }
}

#[tokio::test]
async fn a_reply_that_is_held_may_come_byte_by_byte() {
    let whole = message(3, 7, CHECKED, "slowly");
    let (ours, mut theirs) = duplex(1);
    let mut connection = Connection {
        stream: Stream::Plain(ours),
        session: ServerSession::default(),
    };
    let sending = theirs.write_all(&whole);
    let (held, sent) = tokio::join!(hold(&mut connection, 7), sending);
    sent.unwrap();
    assert_eq!(held.unwrap(), whole);
}

#[tokio::test]
async fn only_the_reply_to_its_request_is_held() {
    for to in [0, 6, 8, -7] {
        let error = held(&message(3, to, Flags::NONE, "another's"))
            .await
            .unwrap_err();
        let stray = matches!(error, ServerError::Stray(other) if other == to);
        assert!(stray, "{error}");
    }
}

#[tokio::test]
async fn half_a_reply_is_not_held() {
    let whole = message(3, 7, Flags::NONE, "half of this");
    for bytes in 0..whole.len() {
        let error = held(&whole[..bytes]).await.unwrap_err();
        assert!(matches!(error, ServerError::Closed), "{bytes}: {error}");
    }
}

#[tokio::test]
async fn a_reply_that_is_broken_or_has_more_behind_it_is_not_held() {
    let mut wrong = message(3, 7, CHECKED, "checked");
    *wrong.last_mut().unwrap() ^= 1;
    let more = Flags {
        more_to_come: true,
        ..Flags::NONE
    };
    let two = [
        message(3, 7, Flags::NONE, "one"),
        message(4, 7, Flags::NONE, "two"),
    ];
    let mut long = message(3, 7, Flags::NONE, "long");
    long[..4].copy_from_slice(&48_000_001_i32.to_le_bytes());
    for (what, sent) in [
        ("a wrong checksum", wrong),
        ("moreToCome", message(3, 7, more, "one of many")),
        ("two replies", two.concat()),
        ("beyond 48 MB", long),
    ] {
        let error = held(&sent).await.unwrap_err();
        assert!(matches!(error, ServerError::Protocol(_)), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_reply_that_is_let_go_has_the_clients_number() {
    for flags in [Flags::NONE, CHECKED] {
        let whole = message(3, 7, flags, "held");
        let reply = Message::read(&whole).unwrap();
        let (mut client, mut reads) = pipe();
        let mut moved = Moved::default();
        let what = (&reply, reply.body.bytes());
        let_go(&mut client, what, 70, &mut moved).await.unwrap();
        drop(client);
        let mut got = Vec::new();
        reads.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, message(3, 70, flags, "held"));
        assert_eq!((moved.to_client, moved.to_server), (got.len() as u64, 0));
    }
}

#[tokio::test]
async fn a_client_that_is_gone_when_its_reply_is_let_go_is_told_from_a_server() {
    let whole = message(3, 7, Flags::NONE, "held");
    let (mut client, reads) = pipe();
    drop(reads);
    let reply = Message::read(&whole).unwrap();
    let what = (&reply, reply.body.bytes());
    let gone = let_go(&mut client, what, 70, &mut Moved::default()).await;
    assert!(matches!(gone, Err(Broken::ClientGone(Some(_)))));
}

#[tokio::test]
async fn a_reply_that_is_only_announced_takes_no_memory() {
    let (mut connection, mut writes) = server();
    let mut begin = message(3, 7, Flags::NONE, "announced");
    begin[..4].copy_from_slice(&48_000_000_i32.to_le_bytes());
    begin.truncate(20);
    writes.write_all(&begin).await.unwrap();
    let mut inbox = Inbox::default();
    let waited = timeout(Duration::from_millis(20), come(&mut connection, &mut inbox)).await;
    assert!(waited.is_err(), "its body has not begun");
    assert_eq!(inbox.unread(), begin);
    assert!(inbox.capacity() <= 8_192, "{}", inbox.capacity());
}
