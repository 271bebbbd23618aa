//! hello in all its forms.

use super::*;

/// What a driver says of itself.
fn describe(hello: &mut Writer, application: &str, platform: &str) {
    hello.document("client", |client| {
        client
            .document("application", |inner| _ = inner.str("name", application))
            .document("driver", |inner| {
                inner.str("name", "node").str("version", "6.0.0");
            })
            .document("os", |inner| _ = inner.str("type", "Linux"))
            .str("platform", platform);
    });
}

fn described(application: &str, platform: &str) -> Vec<u8> {
    let mut hello = command("hello");
    describe(&mut hello, application, platform);
    of_admin(hello)
}

#[test]
fn an_old_hello_is_answered_the_old_way_and_says_whether_the_new_one_is_taken() {
    fake::run(async {
        let stage = Stage::start().await;
        for hello_ok in [true, false] {
            let mut client = stage.client().await;
            for name in ["isMaster", "ismaster"] {
                let mut hello = command(name);
                if hello_ok {
                    hello.bool("helloOk", true);
                }
                let answer = client.query("admin.$cmd", &hello.finish()).await;
                assert!(answer.ok() && answer.is("ismaster", true));
                assert!(answer.get("isWritablePrimary").is_none());
                assert_eq!(answer.is("helloOk", true), hello_ok);
                assert_eq!(answer.get("helloOk").is_some(), hello_ok);
            }
        }
        assert!(stage.server.heard().is_empty());
    });
}

#[test]
fn a_hello_is_answered_by_the_name_that_it_has() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        for (name, primary, other) in [
            ("hello", "isWritablePrimary", "ismaster"),
            ("isMaster", "ismaster", "isWritablePrimary"),
            ("ismaster", "ismaster", "isWritablePrimary"),
        ] {
            let answer = client.ask(&simple(name)).await;
            assert!(answer.ok() && answer.is(primary, true), "{name}");
            assert!(answer.get(other).is_none(), "{name}");
            assert_eq!(answer.flags, 0, "{name}");
        }
    });
}

#[test]
fn a_read_preference_around_an_old_hello_is_looked_through() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        let mut wrapped = Writer::new();
        wrapped
            .document("$query", |query| _ = query.i32("isMaster", 1))
            .document("$readPreference", |preference| {
                preference.str("mode", "primaryPreferred");
            });
        let answer = client.query("admin.$cmd", &wrapped.finish()).await;
        assert!(answer.is("ismaster", true));
    });
}

#[test]
fn nothing_but_a_hello_is_taken_as_op_query() {
    fake::run(async {
        let stage = Stage::start().await;
        for mut client in [stage.client().await, stage.logged_in().await] {
            let ping = command("ping").finish();
            for collection in ["admin.$cmd", "app__acme.users"] {
                assert_eq!(client.query(collection, &ping).await.code(), 352);
            }
            assert!(client.ask(&simple("ping")).await.ok());
        }
        assert!(stage.server.heard().is_empty());
    });
}

#[test]
fn hello_says_nothing_of_the_servers_behind() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        let answer = client.ask(&simple("hello")).await;
        for absent in [
            "topologyVersion",
            "setName",
            "compression",
            "hosts",
            "me",
            "primary",
            "serviceId",
            "saslSupportedMechs",
        ] {
            assert!(answer.get(absent).is_none(), "{absent}");
        }
        let server = stage.server_addr.port().to_string();
        assert!(!String::from_utf8_lossy(&answer.document).contains(&server));
        assert!(stage.server.heard().is_empty());
    });
}

#[test]
fn what_a_client_is_it_says_once() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        assert!(client.ask(&described("shop", "")).await.ok());
        assert_eq!(client.ask(&described("other", "")).await.code(), 186);
        // Nor behind the login; and a hello without it is as good as ever.
        let (login, first) = Login::start(&mut client, DATABASE, true).await;
        assert!(login.prove(&mut client, &first).await.ok());
        assert_eq!(client.ask(&described("other", "")).await.code(), 186);
        let mut old = command("isMaster");
        describe(&mut old, "other", "");
        let old = client.query("admin.$cmd", &old.finish()).await;
        assert_eq!(old.code(), 186);
        assert!(client.ask(&simple("hello")).await.ok());
    });
}

#[test]
fn a_client_that_says_nothing_of_itself_first_says_it_never() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        assert!(client.ask(&simple("hello")).await.ok());
        assert_eq!(client.ask(&described("shop", "")).await.code(), 186);
    });
}

#[test]
fn too_much_of_a_client_is_refused_and_less_of_it_taken() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        let long = client.ask(&described("shop", &"x".repeat(1024))).await;
        assert_eq!(long.code(), 185);
        assert!(long.text().contains("1024 bytes"), "{}", long.text());
        assert_eq!(
            client.ask(&described(&"x".repeat(129), "")).await.code(),
            184
        );
        let mut without_os = command("hello");
        without_os.document("client", |client| {
            client.document("driver", |inner| {
                inner.str("name", "node").str("version", "6.0.0");
            });
        });
        assert_eq!(client.ask(&of_admin(without_os)).await.code(), 183);
        // What drivers keep to.
        assert!(client.ask(&described("shop", &"x".repeat(380))).await.ok());
    });
}

#[test]
fn compression_that_is_offered_is_not_agreed_on() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        let mut hello = command("hello");
        hello.array("compression", |offered| {
            offered.str("zstd").str("zlib").str("snappy");
        });
        let answer = client.ask(&of_admin(hello)).await;
        assert!(answer.ok() && answer.get("compression").is_none());
    });
}

#[test]
fn a_monitor_that_would_wait_is_answered_at_once_and_once() {
    fake::run(async {
        let stage = Stage::start().await;
        let streaming = Flags {
            exhaust_allowed: true,
            ..Flags::NONE
        };
        for mut client in [stage.client().await, stage.logged_in().await] {
            for _ in 0..3 {
                let mut hello = command("hello");
                hello
                    .document("topologyVersion", |version| {
                        version.object_id("processId", [7; 12]).i64("counter", 6);
                    })
                    .i32("maxAwaitTimeMS", i32::MAX);
                let answer = client.ask_with(streaming, &of_admin(hello)).await;
                assert!(answer.ok() && answer.get("topologyVersion").is_none());
                // No moreToCome: the driver asks again.
                assert_eq!(answer.flags, 0);
            }
        }
    });
}

#[test]
fn a_hello_that_wants_no_answer_gets_none() {
    fake::run(async {
        let stage = Stage::start().await;
        let silent = Flags {
            more_to_come: true,
            ..Flags::NONE
        };
        for mut client in [stage.client().await, stage.logged_in().await] {
            client.tell(silent, &simple("hello")).await;
            assert!(client.ask(&simple("ping")).await.ok());
        }
    });
}

#[test]
fn a_hello_with_a_checksum_is_answered_with_one() {
    fake::run(async {
        let stage = Stage::start().await;
        let checked = Flags {
            checksum_present: true,
            ..Flags::NONE
        };
        for mut client in [stage.client().await, stage.logged_in().await] {
            let answer = client.ask_with(checked, &simple("hello")).await;
            assert!(answer.ok());
            assert_eq!(answer.flags, checked.bits().cast_signed());
        }
    });
}

#[test]
fn a_driver_that_names_a_version_of_the_api_is_answered_alike() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        let mut hello = command("hello");
        hello.str("apiVersion", "1").bool("apiStrict", true);
        assert!(client.ask(&of_admin(hello)).await.ok());
    });
}

#[test]
fn what_needs_a_login_is_refused_without_one() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        for name in ["listDatabases", "find", "endSessions", "getMore"] {
            let answer = client.ask(&simple(name)).await;
            assert_eq!(answer.code(), 13);
            assert!(answer.text().contains(name), "{}", answer.text());
        }
        for name in ["ping", "buildInfo", "buildinfo", "logout"] {
            assert!(client.ask(&simple(name)).await.ok(), "{name}");
        }
        assert!(stage.server.heard().is_empty());
    });
}

#[test]
fn a_hello_as_long_as_tls_begins_is_a_hello() {
    // 16 03 00 00, as a length: a driver that says much of itself comes to it.
    const BYTES: usize = 790;
    let padded = |padding: usize| {
        let mut hello = Writer::new();
        hello
            .i32("hello", 1)
            .str("comment", &"x".repeat(padding))
            .str("$db", "admin");
        let mut message = Vec::new();
        op_msg::write(1, 0, Flags::NONE, &hello.finish(), &mut message);
        message
    };
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        client.last = 1;
        let hello = padded(BYTES - padded(0).len());
        assert_eq!(hello[..4], [0x16, 0x03, 0, 0]);
        client.send(&hello).await;
        assert!(client.answer().await.ok());
    });
}

#[test]
fn a_client_may_send_its_first_bytes_one_by_one() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        client.last = 0x16;
        let mut hello = Vec::new();
        op_msg::write(0x16, 0, Flags::NONE, &simple("hello"), &mut hello);
        for byte in hello {
            client.send(&[byte]).await;
            tokio::task::yield_now().await;
        }
        assert!(client.answer().await.ok());
    });
}

/// A connection and what becomes of it at the proxy, with how often it was looked at.
async fn begun() -> (TcpStream, impl Future<Output = (bool, usize)>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let client = TcpStream::connect(addr).await.unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    let beginning = async move {
        let mut begin = Box::pin(crate::front::mongo::handshake::begin(stream, peer, 0, None));
        let mut looks = 0;
        let begun = std::future::poll_fn(|cx| {
            looks += 1;
            begin.as_mut().poll(cx)
        });
        let is_plain = begun.await.is_ok();
        (is_plain, looks)
    };
    (client, beginning)
}

#[test]
fn one_byte_of_tls_is_not_looked_at_again_and_again() {
    fake::run(async {
        let (mut client, beginning) = begun().await;
        let beginning = tokio::task::spawn_local(beginning);
        client.write_all(&[0x16]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.write_all(&[0x03, 0x01]).await.unwrap();
        let (is_plain, looks) = beginning.await.unwrap();
        // Which is not offered here.
        assert!(!is_plain);
        assert!(looks <= 4, "{looks}");
    });
}

#[test]
fn one_byte_of_tls_and_the_end_is_not_waited_for() {
    fake::run(async {
        let (mut client, beginning) = begun().await;
        let beginning = tokio::task::spawn_local(beginning);
        client.write_all(&[0x16]).await.unwrap();
        tokio::task::yield_now().await;
        drop(client);
        let (is_plain, _) = beginning.await.unwrap();
        assert!(is_plain);
    });
}

#[test]
fn a_message_may_begin_as_tls_does() {
    fake::run(async {
        let (mut client, beginning) = begun().await;
        let beginning = tokio::task::spawn_local(beginning);
        client.write_all(&[0x16]).await.unwrap();
        tokio::task::yield_now().await;
        client.write_all(&[0]).await.unwrap();
        assert!(beginning.await.unwrap().0);
    });
}
