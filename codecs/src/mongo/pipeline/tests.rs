use super::*;
use crate::limits::{MONGO_CURSORS_MAX, MONGO_OPEN_PER_CONNECTION_MAX, MONGO_SESSIONS_MAX};
use crate::mongo::bson::Writer;
use crate::mongo::code::Code;
use crate::mongo::report::{ok, report};

const OPEN: fn(&Lsid, i64) -> bool = |_, _| true;

fn lsid(n: u16) -> Lsid {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&n.to_le_bytes());
    Lsid(bytes)
}

fn plain() -> Asked {
    Asked {
        is_answered: true,
        ..Asked::default()
    }
}

/// Part of a transaction.
fn part(lsid: Lsid, number: i64, kept: Kept, starts: bool) -> Asked {
    Asked {
        kept,
        lsid: Some(lsid),
        transaction: Some((lsid, number)),
        starts,
        ..plain()
    }
}

fn cursors(kept: Kept, ids: &[i64]) -> Asked {
    Asked {
        kept,
        cursors: ids.to_vec(),
        ..plain()
    }
}

fn good() -> Reply<'static> {
    Reply {
        ok: true,
        ..Reply::default()
    }
}

fn with_cursor(id: i64) -> Reply<'static> {
    let ns = "acme.users";
    Reply {
        cursor: Some(Cursor { id, ns }),
        ..good()
    }
}

fn labelled(labels: &[&str]) -> Reply<'static> {
    let bytes = report(Code::WriteConflict, "x", labels).leak();
    Reply::read(Document::whole(bytes).unwrap()).unwrap()
}

/// One request and its reply, in both books.
fn exchanged(exchange: &mut Exchange, sessions: &mut Sessions, asked: &Asked, reply: &Reply<'_>) {
    sessions.request(asked);
    exchange.request(asked.clone()).unwrap();
    sessions.reply(asked, reply);
    assert_eq!(exchange.reply(reply, false), Ok(Some(asked.clone())));
}

#[test]
fn a_reply_is_read() {
    let mut body = Writer::new();
    body.document("cursor", |cursor| {
        cursor
            .array("firstBatch", |_| {})
            .i64("id", 7)
            .str("ns", "acme.users");
    });
    body.f64("ok", 1.0);
    let body = body.finish();
    let reply = Reply::read(Document::whole(&body).unwrap()).unwrap();
    assert_eq!(reply, with_cursor(7));
    assert!(reply.is_clean());

    let mut body = Writer::new();
    body.i32("n", 0).f64("ok", 1.0);
    body.array("writeErrors", |errors| {
        errors.document(|error| {
            error.i32("index", 0).i32("code", 11000);
        });
    });
    body.document("writeConcernError", |error| {
        error.i32("code", 64);
    });
    let body = body.finish();
    let reply = Reply::read(Document::whole(&body).unwrap()).unwrap();
    assert!(reply.ok && reply.write_errors && reply.write_concern_error && !reply.is_clean());

    let mut body = Writer::new();
    body.i32("nErrors", 1).i32("ok", 1);
    let body = body.finish();
    let bulk = Reply::read(Document::whole(&body).unwrap()).unwrap();
    assert!(bulk.ok && bulk.write_errors);

    let reply = labelled(&[TRANSIENT_TRANSACTION, "Another", UNKNOWN_COMMIT]);
    assert!(!reply.ok && reply.code == 112);
    assert!(reply.labels.transient_transaction && reply.labels.unknown_commit);
    assert!(!reply.labels.retryable_write);
    let bytes = ok();
    assert_eq!(Reply::read(Document::whole(&bytes).unwrap()), Ok(good()));
}

#[test]
fn what_is_asked_is_kept_without_its_bytes() {
    let mut body = Writer::new();
    body.str("killCursors", "users").array("cursors", |array| {
        array.i64(1).i64(2);
    });
    body.str("$db", "acme");
    let body = body.finish();
    let request = Request::read(Document::whole(&body).unwrap()).unwrap();
    let effect = Effect {
        kept: Kept::KillCursors,
        ..Effect::default()
    };
    let asked = Asked::of(&request, &effect, true).unwrap();
    assert_eq!(asked, cursors(Kept::KillCursors, &[1, 2]));
}

#[test]
fn one_reply_is_owed_for_one_request() {
    let mut exchange = Exchange::default();
    assert!(exchange.reply(&good(), false).is_err());
    exchange.request(plain()).unwrap();
    assert!(exchange.is_owed());
    assert_eq!(exchange.pin(false, OPEN), Some(Pin::Exhaust));
    assert!(exchange.request(plain()).is_err());
    assert_eq!(exchange.reply(&good(), false), Ok(Some(plain())));
    assert_eq!(exchange.pin(false, OPEN), None);
}

#[test]
fn an_exhaust_cursor_is_owed_replies_until_the_last() {
    let mut exchange = Exchange::default();
    exchange.request(cursors(Kept::GetMore, &[7])).unwrap();
    for _ in 0..3 {
        assert_eq!(exchange.reply(&with_cursor(7), true), Ok(None));
        assert_eq!(exchange.pin(false, OPEN), Some(Pin::Exhaust));
    }
    assert!(exchange.reply(&with_cursor(0), false).unwrap().is_some());
    assert_eq!(exchange.pin(true, OPEN), None);
}

#[test]
fn a_request_without_a_reply_is_unconfirmed_until_something_is_answered() {
    let mut exchange = Exchange::default();
    let silent = Asked::default();
    exchange.request(silent.clone()).unwrap();
    exchange.request(silent.clone()).unwrap();
    assert!(exchange.is_unconfirmed() && !exchange.is_owed());
    exchange.request(plain()).unwrap();
    exchange.reply(&good(), false).unwrap();
    assert!(!exchange.is_unconfirmed());
    exchange.request(silent).unwrap();
    exchange.confirmed();
    assert!(!exchange.is_unconfirmed());
}

#[test]
fn a_transaction_pins_until_it_is_over() {
    let (mut exchange, mut sessions) = <(Exchange, Sessions)>::default();
    let one = lsid(1);
    let begin = part(one, 5, Kept::None, true);
    let commit = part(one, 5, Kept::Commit, false);
    let abort = part(one, 5, Kept::Abort, false);
    let transient = labelled(&[TRANSIENT_TRANSACTION]);
    let unknown = labelled(&[UNKNOWN_COMMIT]);
    let refused = labelled(&[]);
    for (asked, reply, is_over) in [
        (&begin, good(), false),
        (&begin, refused, false),
        (&begin, transient, true),
        (&commit, good(), true),
        (&commit, unknown, false),
        (&commit, refused, true),
        (&abort, good(), true),
        (&abort, refused, true),
    ] {
        exchanged(&mut exchange, &mut sessions, &begin, &good());
        assert!(sessions.is_open(&one, 5));
        assert_eq!(exchange.pin(false, OPEN), Some(Pin::Transaction));
        exchanged(&mut exchange, &mut sessions, asked, &reply);
        assert_eq!(sessions.is_open(&one, 5), !is_over, "{asked:?} {reply:?}");
        let pin = (!is_over).then_some(Pin::Transaction);
        assert_eq!(exchange.pin(false, OPEN), pin, "{asked:?} {reply:?}");
    }
}

#[test]
fn the_next_transaction_of_a_session_ends_the_one_before() {
    let (mut exchange, mut sessions) = <(Exchange, Sessions)>::default();
    for number in 1..4 {
        let begin = part(lsid(1), number, Kept::None, true);
        exchanged(&mut exchange, &mut sessions, &begin, &good());
    }
    assert!(!sessions.is_open(&lsid(1), 2) && sessions.is_open(&lsid(1), 3));
    // The end of an earlier one ends nothing.
    let late = part(lsid(1), 2, Kept::Abort, false);
    exchanged(&mut exchange, &mut sessions, &late, &good());
    assert_eq!(exchange.pin(false, OPEN), Some(Pin::Transaction));
    assert!(sessions.is_open(&lsid(1), 3));
    let end = part(lsid(1), 3, Kept::Abort, false);
    exchanged(&mut exchange, &mut sessions, &end, &good());
    assert_eq!(exchange.pin(false, OPEN), None);
}

#[test]
fn a_transaction_that_another_connection_ended_pins_no_more() {
    let (mut exchange, mut sessions) = <(Exchange, Sessions)>::default();
    let begin = part(lsid(1), 1, Kept::None, true);
    exchanged(&mut exchange, &mut sessions, &begin, &good());
    let mut other = Exchange::default();
    let commit = part(lsid(1), 1, Kept::Commit, false);
    exchanged(&mut other, &mut sessions, &commit, &good());
    let pin = exchange.pin(false, |lsid, number| sessions.is_open(lsid, number));
    assert_eq!(pin, None);
}

#[test]
fn cursors_pin_where_only_their_connection_reaches_them() {
    let (mut exchange, mut sessions) = <(Exchange, Sessions)>::default();
    for (asked, reply) in [
        (cursors(Kept::GetMore, &[7]), with_cursor(0)),
        (cursors(Kept::KillCursors, &[7]), good()),
        (cursors(Kept::GetMore, &[7]), labelled(&[])),
    ] {
        exchanged(&mut exchange, &mut sessions, &plain(), &with_cursor(7));
        let goes_on = cursors(Kept::GetMore, &[7]);
        exchanged(&mut exchange, &mut sessions, &goes_on, &with_cursor(7));
        assert_eq!(exchange.pin(false, OPEN), None);
        assert_eq!(exchange.pin(true, OPEN), Some(Pin::Cursor));
        assert_eq!(sessions.len(), (1, 0));
        exchanged(&mut exchange, &mut sessions, &asked, &reply);
        assert_eq!(exchange.pin(true, OPEN), None);
        assert!(sessions.is_empty());
    }
}

#[test]
fn what_is_left_is_told_to_the_server() {
    let (mut exchange, mut sessions) = <(Exchange, Sessions)>::default();
    assert!(sessions.leavings().is_empty());
    let begin = part(lsid(1), 5, Kept::None, true);
    exchanged(&mut exchange, &mut sessions, &begin, &with_cursor(7));
    let ended = Asked {
        lsid: Some(lsid(2)),
        ..plain()
    };
    exchanged(&mut exchange, &mut sessions, &ended, &good());
    let commands = sessions.leavings();
    let commands: Vec<_> = commands
        .iter()
        .map(|bytes| Request::read(Document::whole(bytes).unwrap()).unwrap())
        .collect();
    let [kill, abort, end] = commands.as_slice() else {
        panic!("{commands:?}");
    };
    assert_eq!((kill.name, kill.db), ("killCursors", "acme"));
    assert_eq!(kill.collection(), Some("users"));
    assert_eq!(kill.numbers("cursors", 9), Ok(vec![7]));
    assert_eq!((abort.name, abort.db), ("abortTransaction", "admin"));
    assert_eq!(abort.transaction(), Some((lsid(1), 5)));
    assert_eq!((end.name, end.db), ("endSessions", "admin"));
    assert_eq!(end.sessions(9), Ok(vec![lsid(1), lsid(2)]));

    let all = Asked {
        kept: Kept::EndSessions,
        ended: vec![lsid(1), lsid(2)],
        ..plain()
    };
    exchanged(&mut exchange, &mut sessions, &all, &good());
    let kill = cursors(Kept::KillCursors, &[7]);
    exchanged(&mut exchange, &mut sessions, &kill, &good());
    assert!(sessions.is_empty() && sessions.leavings().is_empty());
}

#[test]
fn sessions_that_had_to_make_room_are_ended() {
    let mut sessions = Sessions::default();
    let mut used = |n: u16| {
        let lsid = Some(lsid(n));
        sessions.request(&Asked { lsid, ..plain() });
        sessions.overflow()
    };
    let max = u16::try_from(MONGO_SESSIONS_MAX).unwrap();
    for n in 0..max + 999 {
        assert!(used(n).is_none(), "{n}");
    }
    // One of them is used again, and so stays; for it the thousandth has to make room.
    let command = used(500).expect("a thousand made room");
    let command = Document::whole(&command).unwrap();
    let ended = command.get("endSessions").unwrap().unwrap();
    let Some(ended) = ended.as_array() else {
        panic!("no array")
    };
    assert_eq!(ended.iter().count(), 999);
    assert!(used(max + 999).is_none());
}

#[test]
fn what_is_kept_is_bounded_and_the_oldest_goes() {
    let (mut exchange, mut sessions) = <(Exchange, Sessions)>::default();
    for n in 0..u16::try_from(MONGO_SESSIONS_MAX).unwrap() + 10 {
        let begin = part(lsid(n), 1, Kept::None, true);
        exchanged(
            &mut exchange,
            &mut sessions,
            &begin,
            &with_cursor(i64::from(n) + 1),
        );
    }
    assert_eq!(sessions.len(), (MONGO_CURSORS_MAX, MONGO_SESSIONS_MAX));
    assert!(!sessions.is_open(&lsid(9), 1) && sessions.is_open(&lsid(10), 1));
    assert_eq!(exchange.pin(false, OPEN), Some(Pin::Transaction));
    // Beyond what is kept a cursor may be open that is not in the list.
    for n in 0..=MONGO_OPEN_PER_CONNECTION_MAX {
        let end = cursors(Kept::KillCursors, &[i64::try_from(n).unwrap()]);
        exchanged(&mut exchange, &mut sessions, &end, &good());
    }
    assert_eq!(exchange.pin(true, |_, _| false), Some(Pin::Cursor));
}
