use std::net::Ipv4Addr;

use tenantsdb_codecs::mysql::frame::frame;

use super::*;
use crate::stream::Stream;

/// Number, SQLSTATE and text that a refusal is told with; `None` if it is not told.
fn told(refusal: &Refusal, flavour: Flavour) -> Option<(u16, String, String)> {
    let mut client = Client::new(Stream::Plain(tokio::io::empty()));
    client.sequence = 2;
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    if !refusal.push(&mut client, flavour, peer) {
        assert!(client.out.is_empty());
        return None;
    }
    let packet = frame(&client.out, 4096).unwrap().unwrap();
    assert_eq!((packet.sequence, packet.bytes), (2, client.out.len()));
    let report = Report::decode(packet.body).unwrap();
    let text = report.text().into_owned();
    Some((report.code.0, report.sqlstate.to_string(), text))
}

fn checkout(error: CheckoutError) -> Refusal {
    Refusal::Checkout {
        database: "app__acme".to_owned(),
        error,
    }
}

fn refused(code: Code, message: &str) -> CheckoutError {
    pool::Error::Server(back::mysql::Error::Refused {
        code,
        sqlstate: code.sqlstate(),
        message: message.into(),
    })
}

#[test]
fn each_refusal_has_its_number() {
    let suspended = || Refusal::Suspended {
        user: "app__acme".to_owned(),
        database: "app__acme".into(),
    };
    let unreachable = pool::Error::Server(back::mysql::Error::TimedOut);
    let database = "app__acme".into();
    for (refusal, code, sqlstate) in [
        (Refusal::OldAuthentication, 1251, "08004"),
        (Refusal::ChangeUserTooLong, 1043, "08S01"),
        (Refusal::Draining, 1053, "08S01"),
        (Refusal::Full(Full::Clients), 1040, "08004"),
        (Refusal::DatabaseFull { database }, 1203, "42000"),
        (suspended(), 3118, "HY000"),
        (checkout(NoPlace::Exhausted.into()), 1040, "08004"),
        (checkout(unreachable), 2003, "HY000"),
        (
            checkout(refused(Code::TOO_MANY_CONNECTIONS, "full")),
            1040,
            "08004",
        ),
    ] {
        let (number, state, text) = told(&refusal, Flavour::MySql).unwrap();
        assert_eq!((number, &*state), (code, sqlstate), "{text}");
    }
    assert_eq!(told(&suspended(), Flavour::MariaDb).unwrap().0, 4151);
    assert!(told(&Refusal::TooSlow, Flavour::MySql).is_none());
    assert!(told(&Refusal::Gone(None), Flavour::MySql).is_none());
}

#[test]
fn a_denial_is_in_the_servers_own_words() {
    let denied = |password| Refusal::Denied {
        user: "app__acme".to_owned(),
        password,
    };
    let words = |using: &str| {
        let text =
            format!("Access denied for user 'app__acme'@'127.0.0.1' (using password: {using})");
        Some((1045, "28000".to_owned(), text))
    };
    assert_eq!(told(&denied(true), Flavour::MySql), words("YES"));
    assert_eq!(told(&denied(false), Flavour::MariaDb), words("NO"));
}

#[test]
fn a_login_that_only_the_server_refuses_names_the_way_back() {
    for code in [
        Code::ACCESS_DENIED,
        Code::ACCOUNT_LOCKED_MYSQL,
        Code::ACCOUNT_LOCKED_MARIADB,
    ] {
        let (number, _, text) = told(&checkout(refused(code, "no")), Flavour::MySql).unwrap();
        assert_eq!(number, 1045);
        assert!(text.contains("tdb credentials rotate app__acme"), "{text}");
    }
}

#[test]
fn addresses_of_servers_are_not_told() {
    let error = back::mysql::Error::Connect(io::Error::other("10.1.2.3:3306 refused"));
    let (_, _, text) = told(&checkout(pool::Error::Server(error)), Flavour::MySql).unwrap();
    assert_eq!(text, "the database server cannot be reached");
}
