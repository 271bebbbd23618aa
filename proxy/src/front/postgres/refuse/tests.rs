use tenantsdb_codecs::postgres::frame::frame;
use tenantsdb_codecs::postgres::report::Fields;

use super::*;
use crate::back::postgres::Refused;

/// SQLSTATE, message and hint that a refusal is told with; `None` if it is not told.
fn told(refusal: &Refusal) -> Option<(String, String, String)> {
    let mut out = Vec::new();
    refusal.encode(&mut out);
    let message = frame(&out, 64 * 1024).unwrap()?;
    assert_eq!((message.tag, message.bytes), (b'E', out.len()));
    let fields = Fields::new(message.body);
    fields.check().unwrap();
    assert!(fields.is_fatal());
    let text = |code| fields.get(code).unwrap_or_default().to_owned();
    Some((text(b'C'), text(b'M'), text(b'H')))
}

fn checkout(error: CheckoutError) -> Refusal {
    Refusal::Checkout {
        database: "app__acme".to_owned(),
        error,
    }
}

fn refused(body: &[u8]) -> CheckoutError {
    let fields = Fields::new(body);
    pool::Error::Server(back::postgres::Error::Refused(Refused {
        sqlstate: fields.sqlstate(),
        message: fields.message().map(Box::from),
        body: body.into(),
    }))
}

#[test]
fn each_refusal_has_its_sqlstate() {
    let database = || Box::from("app__acme");
    let refusals = [
        (
            Refusal::Protocol(postgres::Error::Version { major: 2, minor: 0 }),
            "0A000",
        ),
        (Refusal::Protocol(postgres::Error::Length(3)), "08P01"),
        (Refusal::Replication, "0A000"),
        (Refusal::NoUser, "28000"),
        (Refusal::NotSasl(b'Q'), "08P01"),
        (Refusal::Scram(scram::Error::Nonce), "08P01"),
        (
            Refusal::Denied {
                user: "u".to_owned(),
            },
            "28P01",
        ),
        (
            Refusal::Suspended {
                database: database(),
            },
            "57P03",
        ),
        (Refusal::Draining, "57P01"),
        (Refusal::Full(Full::Clients), "53300"),
        (Refusal::Full(Full::Source), "53300"),
        (
            Refusal::DatabaseFull {
                database: database(),
            },
            "53300",
        ),
        (
            checkout(pool::Error::NoPlace(pool::NoPlace::Exhausted)),
            "53300",
        ),
        (
            checkout(pool::Error::Server(back::postgres::Error::Closed)),
            "08006",
        ),
        (
            checkout(pool::Error::Server(back::postgres::Error::Unexpected(b'?'))),
            "08006",
        ),
        (
            checkout(pool::Error::Server(back::postgres::Error::Method)),
            "28000",
        ),
    ];
    for (refusal, sqlstate) in refusals {
        let (told, message, _) = told(&refusal).unwrap();
        assert_eq!(told, sqlstate, "{refusal:?}");
        assert!(!message.ends_with('.'), "{message}");
    }
}

#[test]
fn who_is_gone_or_late_is_told_nothing() {
    for refusal in [
        Refusal::Gone(None),
        Refusal::TooSlow,
        Refusal::UnexpectedTls,
    ] {
        assert_eq!(told(&refusal), None);
    }
}

#[test]
fn a_servers_own_words_are_passed_on_unless_they_are_about_the_login() {
    let words = b"SFATAL\0VFATAL\0C3D000\0Mno such database\0\0";
    let (sqlstate, message, _) = told(&checkout(refused(words))).unwrap();
    assert_eq!((&*sqlstate, &*message), ("3D000", "no such database"));
    for code in ["28P01", "28000"] {
        let words = format!("SFATAL\0VFATAL\0C{code}\0Mno\0\0");
        let (sqlstate, _, hint) = told(&checkout(refused(words.as_bytes()))).unwrap();
        assert_eq!(sqlstate, "28000");
        assert!(
            hint.contains("\"tdb credentials rotate app__acme\""),
            "{hint}"
        );
    }
}

#[test]
fn an_error_without_a_sqlstate_is_passed_on_as_it_is() {
    let words = b"SFATAL\0Mwhatever\0\0";
    let (sqlstate, message, _) = told(&checkout(refused(words))).unwrap();
    assert_eq!((&*sqlstate, &*message), ("", "whatever"));
}
