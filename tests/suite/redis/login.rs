//! Who gets in, what is said to who does not, and what a login costs a proxy.

use std::thread;
use std::time::Duration;

use tenantsdb_tests::redis::{Flavour, Login, Protocol, Session, Value};

use super::Blueprint;

on_both!(
    nothing_but_a_login_is_answered_before_one,
    wrong_password_unknown_user_and_unknown_database_are_one_answer,
    a_password_alone_is_refused_with_a_reason,
    hello_logs_in_names_the_client_and_chooses_the_protocol,
    auth_again_makes_another_client_and_reset_none,
    requests_before_the_login_are_bounded,
    what_follows_the_login_in_one_segment_is_served,
    a_login_that_comes_byte_by_byte_is_served,
    inline_commands_work,
);

fn nothing_but_a_login_is_answered_before_one(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_before_login", flavour);
    let proxy = blueprint.fleet.proxies[0].redis_address();
    let server = blueprint.fleet.server.address();
    // As the server itself, in its own words.
    for call in [
        "GET a",
        "PING",
        "CONFIG GET *",
        "MULTI",
        "SUBSCRIBE a",
        "CLIENT ID",
    ] {
        let [here, there] = [&proxy, &server].map(|address| {
            let mut session = Session::connect(address).unwrap();
            (session.run(call), session.run("QUIT"))
        });
        assert_eq!(here, there, "{call}");
    }
    let mut session = Session::connect(&proxy).unwrap();
    assert!(session.fails("GET a").starts_with("NOAUTH "));
    assert!(session.fails("HELLO 3").starts_with("NOAUTH "));
    assert!(session.fails("HELLO 4 AUTH a b").starts_with("NOPROTO "));
}

fn wrong_password_unknown_user_and_unknown_database_are_one_answer(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_wrong", flavour);
    let acme = blueprint.tenant("acme");
    let expected = "WRONGPASS invalid username-password pair or user is disabled.";
    for login in [
        acme.with_password("wrong"),
        acme.with_password(""),
        acme.as_user("nobody"),
        acme.as_user("myapp__nobody"),
        acme.as_user("default"),
        // The second account of a database is the proxy's.
        acme.as_user("myapp__acme:walk"),
        blueprint.workspace.as_user("myapp__acme"),
        blueprint.fleet.server.admin_login().at(&acme.address),
    ] {
        assert_eq!(login.refused(), expected, "{}", login.user);
        let mut session = Session::connect(&login.address).unwrap();
        let hello = session.call(&["HELLO", "3", "AUTH", &login.user, &login.password]);
        assert_eq!(hello.text(), expected, "{}", login.user);
        // A client may try again.
        let again = session.call(&["AUTH", &acme.user, &acme.password]);
        assert_eq!(again.text(), "OK");
    }
}

fn a_password_alone_is_refused_with_a_reason(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_alone", flavour);
    let acme = blueprint.tenant("acme");
    let mut session = Session::connect(&acme.address).unwrap();
    let refused = session.call(&["AUTH", &acme.password]).text();
    assert!(refused.starts_with("WRONGPASS ") && refused.contains("AUTH <user> <password>"));
}

fn hello_logs_in_names_the_client_and_chooses_the_protocol(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_hello", flavour);
    let acme = blueprint.tenant("acme");
    let mut session = Session::connect(&acme.address).unwrap();
    let hello = session.call(&[
        "HELLO",
        "3",
        "AUTH",
        &acme.user,
        &acme.password,
        "SETNAME",
        "worker",
    ]);
    let Value::Map(fields) = &hello else {
        panic!("{hello:?}");
    };
    let field = |name: &str| {
        let found = fields.iter().find(|(key, _)| key.text() == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {hello:?}"))
            .1
            .text()
    };
    assert_eq!(
        (field("proto").as_str(), field("role").as_str()),
        ("3", "master")
    );
    assert_eq!(field("mode"), "standalone");
    let own = blueprint.fleet.server.admin().run("HELLO 2").texts();
    assert!(own.contains(&field("version")), "{hello:?} {own:?}");
    assert_eq!(session.text("CLIENT GETNAME"), "worker");
    assert_eq!(session.text("ACL WHOAMI"), acme.user);
    session.text("HSET h a 1");
    assert!(matches!(session.run("HGETALL h"), Value::Map(_)));
    let hello = session.run("HELLO 2");
    assert!(matches!(hello, Value::Array(_)), "{hello:?}");
    assert!(matches!(session.run("HGETALL h"), Value::Array(_)));
    // The name survives, as on the server.
    assert_eq!(session.text("CLIENT GETNAME"), "worker");
}

fn auth_again_makes_another_client_and_reset_none(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_again", flavour);
    let acme = blueprint.tenant("acme");
    let globex = blueprint.tenant("globex");
    let mut session = acme.session_with(Protocol::Resp3);
    session.text("SET who acme");
    assert_eq!(
        session
            .call(&["AUTH", &globex.user, &globex.password])
            .text(),
        "OK"
    );
    assert_eq!(session.run("GET who"), Value::Null);
    assert_eq!(session.text("ACL WHOAMI"), globex.user);
    session.text("SET who globex");
    // A failed one changes nothing.
    assert!(
        session
            .call(&["AUTH", &acme.user, "wrong"])
            .error()
            .is_some()
    );
    assert_eq!(session.text("GET who"), "globex");
    assert_eq!(session.text("RESET"), "RESET");
    assert!(session.fails("GET who").starts_with("NOAUTH "));
    assert_eq!(
        session.call(&["AUTH", &acme.user, &acme.password]).text(),
        "OK"
    );
    assert_eq!(session.text("GET who"), "acme");
    // RESET goes back to RESP2.
    assert!(matches!(session.run("HGETALL none"), Value::Array(_)));
}

fn requests_before_the_login_are_bounded(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_bounds", flavour);
    let address = blueprint.fleet.proxies[0].redis_address();
    let closed = |bytes: &[u8]| {
        let mut session = Session::connect(&address).unwrap();
        session.send_raw(bytes);
        let mut said = Vec::new();
        while let Ok(reply) = session.try_read() {
            said.push(reply.text());
        }
        said.join("; ")
    };
    // The server's own bounds and words: `src/networking.c`.
    let said = closed(b"*11\r\n");
    assert!(
        said.contains("Protocol error: unauthenticated multibulk length"),
        "{said}"
    );
    let said = closed(b"*2\r\n$4\r\nAUTH\r\n$16385\r\n");
    assert!(
        said.contains("Protocol error: unauthenticated bulk length"),
        "{said}"
    );
    let said = closed(&[b'x'; 70_000]);
    assert!(
        said.contains("Protocol error: too big inline request"),
        "{said}"
    );
    for broken in [
        &b"*x\r\n"[..],
        b"*1\r\n+OK\r\n",
        b"*1\r\n$-2\r\n",
        b"GET \"a\r\n",
    ] {
        let said = closed(broken);
        assert!(
            said.contains("Protocol error"),
            "{}: {said}",
            broken.escape_ascii()
        );
    }
    // Half a request, and nothing more: --handshake-seconds is 3.
    let end = std::time::Instant::now() + Duration::from_secs(20);
    let _ = closed(b"*3\r\n$4\r\nAUTH\r\n$11\r\nmyapp");
    let _ = closed(b"");
    assert!(
        std::time::Instant::now() < end,
        "a client that says nothing is kept"
    );
}

fn pipeline_behind_login(login: &Login, step: usize, pause: Duration) {
    let value = "x".repeat(500);
    let calls: [&[&str]; 5] = [
        &["HELLO", "2", "AUTH", &login.user, &login.password],
        &["SET", "user:1", &value],
        &["GET", "user:1"],
        &["MGET", "user:1", "none"],
        &["QUIT"],
    ];
    let bytes: Vec<u8> = calls
        .iter()
        .flat_map(|c| tenantsdb_tests::redis::session::request(c))
        .collect();
    let mut session = Session::connect(&login.address).unwrap();
    for part in bytes.chunks(step) {
        assert!(session.send_raw(part));
        thread::sleep(pause);
    }
    assert!(session.read().error().is_none());
    assert_eq!(session.read().text(), "OK");
    assert_eq!(session.read().text(), value);
    assert_eq!(
        session.read().items(),
        [Value::Bulk(value.into_bytes()), Value::Null]
    );
    assert_eq!(session.read().text(), "OK");
    assert!(session.is_closed());
}

fn what_follows_the_login_in_one_segment_is_served(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_segment", flavour);
    let acme = blueprint.tenant("acme");
    for step in [usize::MAX, 1000, 97, 31] {
        pipeline_behind_login(&acme, step, Duration::ZERO);
    }
}

fn a_login_that_comes_byte_by_byte_is_served(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_bytes", flavour);
    let acme = blueprint.tenant("acme");
    // Long enough for each byte to be a segment of its own, short enough for the handshake's time.
    pipeline_behind_login(&acme, 1, Duration::from_micros(300));
}

fn inline_commands_work(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_inline", flavour);
    let acme = blueprint.tenant("acme");
    let mut session = Session::connect(&acme.address).unwrap();
    let Login { user, password, .. } = &acme;
    session.send_raw(format!("AUTH {user} {password}\r\n").as_bytes());
    assert_eq!(session.read().text(), "OK");
    session.send_raw(b"SET \"user 1\" 'it\\'s \\x41'\r\n\r\n  get   \"user\\x201\"\nPING\r\n");
    assert_eq!(session.read().text(), "OK");
    assert_eq!(session.read().text(), "it's \\x41");
    assert_eq!(session.read().text(), "PONG");
    assert_eq!(blueprint.fleet.server.keys(), ["acme:user 1"]);
}
