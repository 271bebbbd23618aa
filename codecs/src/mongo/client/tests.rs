use super::*;
use crate::mongo::op_msg::{Flags, Message, write_with};

/// Session and transaction.
type Of = (Option<Lsid>, Option<(Lsid, i64)>);

fn read(writer: Writer) -> Result<Of, Error> {
    let bytes = writer.finish();
    let request = Request::read(Document::whole(&bytes).unwrap())?;
    Ok((request.lsid, request.transaction()))
}

fn lsid(n: u8) -> Lsid {
    Lsid([n; LSID_BYTES])
}

#[test]
fn a_request_is_read_with_its_session_and_transaction() {
    let mut body = Writer::new();
    body.str("insert", "users");
    lsid(7).write("lsid", &mut body);
    body.i64("txnNumber", 5)
        .bool("startTransaction", true)
        .bool("autocommit", false)
        .str("$db", "acme");
    let bytes = body.finish();
    let request = Request::read(Document::whole(&bytes).unwrap()).unwrap();
    assert_eq!((request.name, request.db), ("insert", "acme"));
    assert_eq!(request.collection(), Some("users"));
    assert_eq!(request.transaction(), Some((lsid(7), 5)));
    assert!(request.start_transaction);
}

#[test]
fn a_retryable_write_is_no_transaction() {
    let mut body = Writer::new();
    body.str("insert", "users").i64("txnNumber", 5);
    lsid(7).write("lsid", &mut body);
    body.str("$db", "acme");
    assert_eq!(read(body), Ok((Some(lsid(7)), None)));
}

#[test]
fn a_field_that_is_there_twice_is_refused() {
    let twice = Err(Error::Invalid("field, which is there twice"));
    for fields in [
        &["find", "$db", "$db"][..],
        &["insert", "$db", "insert"],
        &["insert", "insert", "$db"],
        &["findAndModify", "findandmodify", "$db"],
        &["renameCollection", "to", "dropTarget", "$db", "to"],
        &["aggregate", "pipeline", "cursor", "pipeline", "$db"],
        &["bulkWrite", "nsInfo", "$db", "ops", "nsInfo"],
        &["create", "", "a", "", "$db"],
    ] {
        let mut body = Writer::new();
        for field in fields {
            body.str(field, "x");
        }
        assert_eq!(read(body), twice, "{fields:?}");
    }
    let mut body = Writer::new();
    body.str("find", "x").str("Find2", "x").str("$db", "acme");
    body.str("a", "x").str("A", "x");
    assert_eq!(read(body), Ok((None, None)));
}

#[test]
fn a_request_has_not_more_fields_than_any_command() {
    let body = |fields: usize| {
        let mut body = Writer::new();
        body.str("find", "x").str("$db", "acme");
        for field in 1..fields {
            body.i32(&field.to_string(), 1);
        }
        body
    };
    assert!(read(body(MONGO_FIELDS_MAX)).is_ok());
    assert_eq!(
        read(body(MONGO_FIELDS_MAX + 1)),
        Err(Error::TooMany("fields"))
    );
}

#[test]
fn a_command_that_is_explained_is_of_the_same_database_unless_it_says_so() {
    let mut body = Writer::new();
    body.document("explain", |_| {}).str("$db", "acme");
    let body = body.finish();
    let request = Request::read(Document::whole(&body).unwrap()).unwrap();
    for (db, expected) in [(None, "acme"), (Some("other"), "other")] {
        let mut inner = Writer::new();
        inner.str("find", "x");
        if let Some(db) = db {
            inner.str("$db", db);
        }
        let inner = inner.finish();
        let inner = request.explained(Document::whole(&inner).unwrap()).unwrap();
        assert_eq!((inner.name, inner.db), ("find", expected));
    }
}

#[test]
fn a_request_without_command_or_database_is_refused() {
    assert_eq!(read(Writer::new()), Err(Error::Missing("command")));
    let mut body = Writer::new();
    body.i32("find", 1);
    assert_eq!(read(body), Err(Error::Missing("$db")));
    let mut body = Writer::new();
    body.i32("find", 1).i32("$db", 1);
    assert_eq!(read(body), Err(Error::Type("$db")));
    // The first field is the command, whatever it is called.
    let mut body = Writer::new();
    body.str("$db", "acme");
    assert_eq!(read(body), Err(Error::Missing("$db")));
}

#[test]
fn a_session_that_no_server_takes_is_none() {
    let mut body = Writer::new();
    body.i32("ping", 1)
        .document("lsid", |lsid| {
            lsid.binary("id", UUID, b"short");
        })
        .str("$db", "acme");
    assert_eq!(read(body), Ok((None, None)));
}

#[test]
fn cursors_and_sessions_that_are_named_are_read() {
    let mut body = Writer::new();
    body.array("endSessions", |array| {
        for n in 0..3 {
            array.document(|inside| lsid(n).write_inside(inside));
        }
    });
    body.array("cursors", |array| {
        array.i64(1).str("two").i32(3);
    });
    body.str("$db", "admin");
    let bytes = body.finish();
    let request = Request::read(Document::whole(&bytes).unwrap()).unwrap();
    assert_eq!(request.sessions(2), Ok(vec![lsid(0), lsid(1)]));
    assert_eq!(request.numbers("cursors", 10), Ok(vec![1, 3]));
    assert_eq!(request.numbers("ids", 10), Ok(Vec::new()));
}

#[test]
fn a_statement_is_the_command_without_what_says_how_it_is_run() {
    let mut body = Writer::new();
    body.str("createIndexes", "users");
    lsid(1).write("lsid", &mut body);
    for field in PASSING.iter().filter(|field| **field != "lsid") {
        body.i32(field, 1);
    }
    body.bool("unique", true)
        .str("$db", "acme")
        .i32("$clusterTime", 1)
        .i32("$readPreference", 1);
    let body = body.finish();
    let mut index = Writer::new();
    index.str("name", "email_1");
    let index = index.finish();

    let mut message = Vec::new();
    let indexes = std::slice::from_ref(&index);
    write_with(
        1,
        0,
        Flags::NONE,
        &body,
        &[("indexes", indexes)],
        &mut message,
    );
    let message = Message::read(&message).unwrap();
    let statement = statement(message.body, message.sequences()).unwrap();

    let mut expected = Writer::new();
    expected.str("createIndexes", "users").bool("unique", true);
    expected.array("indexes", |array| {
        array.value(&Value::Document(Document::whole(&index).unwrap()));
    });
    assert_eq!(statement, expected.finish());
}
