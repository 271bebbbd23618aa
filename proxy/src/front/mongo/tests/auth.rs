//! Logins: by saslStart, and by what a hello has of it.

use tenantsdb_codecs::mongo::auth::{Payload, SaslContinue};
use tenantsdb_codecs::scram;

use super::*;

/// Iterations and bytes of salt of whom nobody knows: what mongod makes for every user.
const MOCK: (u32, usize) = (15_000, 28);

/// Puts a saslStart into a hello, as drivers do: with `db` for `$db`.
pub(super) fn speculate(hello: &mut Writer, start: Document<'_>, database: &str) {
    hello.document("speculativeAuthenticate", |speculative| {
        for element in start.iter() {
            let (key, value) = element.unwrap();
            if key != "$db" {
                speculative.value(key, &value);
            }
        }
        speculative.str("db", database);
    });
}

fn hello_with(start: &[u8]) -> Vec<u8> {
    let mut hello = command("hello");
    speculate(&mut hello, Document::whole(start).unwrap(), DATABASE);
    of_admin(hello)
}

fn start_by(mechanism: &str, payload: &[u8]) -> Vec<u8> {
    let start = SaslStart {
        mechanism,
        payload: Payload::Binary(payload),
        db: DATABASE,
        skip_empty_exchange: false,
    };
    start.write()
}

fn next(conversation_id: i32, payload: &[u8]) -> Vec<u8> {
    let next = SaslContinue {
        conversation_id,
        payload: Payload::Binary(payload),
    };
    next.write(DATABASE)
}

/// Iterations, and bytes of the salt.
fn work(reply: &SaslReply) -> (u32, usize) {
    let text = std::str::from_utf8(&reply.payload).unwrap();
    let attributes: Vec<&str> = text.split(',').collect();
    let salt = attributes[1].strip_prefix("s=").unwrap();
    let padding = salt.bytes().filter(|byte| *byte == b'=').count();
    let iterations = attributes[2].strip_prefix("i=").unwrap();
    (iterations.parse().unwrap(), salt.len() / 4 * 3 - padding)
}

#[test]
fn a_login_in_the_hello_saves_a_round_trip() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        let login = Login::of(DATABASE);
        let hello = hello_with(&login.first(true).write());
        let answer = client.ask(&hello).await;
        assert!(answer.ok());
        let inner = answer.inner("speculativeAuthenticate").unwrap();
        assert_eq!(inner.get("conversationId"), Ok(Some(Value::Int32(1))));
        assert_eq!(inner.get("done"), Ok(Some(Value::Bool(false))));
        assert_eq!(inner.get("ok"), Ok(None));
        let proven = login.prove(&mut client, &answer.speculative()).await;
        assert!(proven.is("done", true));
        assert!(client.ask(&find()).await.ok());
        assert_eq!(stage.server.heard(), ["find"]);
    });
}

#[test]
fn an_old_hello_may_have_a_login_in_it_too() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        let login = Login::of(DATABASE);
        let start = login.first(true).write();
        let mut hello = command("isMaster");
        speculate(&mut hello, Document::whole(&start).unwrap(), DATABASE);
        let answer = client.query("admin.$cmd", &hello.finish()).await;
        let proven = login.prove(&mut client, &answer.speculative()).await;
        assert!(proven.is("done", true));
    });
}

#[test]
fn a_login_in_the_hello_may_be_begun_again() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        let forgotten = Login::of(DATABASE);
        let hello = hello_with(&forgotten.first(true).write());
        let answer = client.ask(&hello).await;
        assert!(!answer.speculative().done);
        let (login, first) = Login::start(&mut client, DATABASE, true).await;
        let proven = login.prove(&mut client, &first).await;
        assert!(proven.is("done", true));
    });
}

#[test]
fn of_a_login_that_was_begun_again_the_first_is_over() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        let first = Login::of(DATABASE);
        let answer = client.ask(&hello_with(&first.first(true).write())).await;
        let _second = Login::start(&mut client, DATABASE, true).await;
        let proven = first.prove(&mut client, &answer.speculative()).await;
        assert_eq!(proven.code(), 18);
    });
}

#[test]
fn a_login_in_the_hello_that_cannot_be_begun_is_looked_over() {
    fake::run(async {
        let stage = Stage::start().await;
        for mechanism in ["SCRAM-SHA-1", "PLAIN", "MONGODB-AWS", "SCRAM-SHA-256-PLUS"] {
            let mut client = stage.client().await;
            let start = start_by(mechanism, b"n,,n=app__acme,r=0123456789abcdef");
            let answer = client.ask(&hello_with(&start)).await;
            assert!(answer.ok(), "{mechanism}");
            assert!(
                answer.get("speculativeAuthenticate").is_none(),
                "{mechanism}"
            );
            assert_eq!(client.ask(&start).await.code(), 334, "{mechanism}");
        }
        let mut client = stage.client().await;
        let broken = start_by(scram::SHA_256, b"no SCRAM");
        let answer = client.ask(&hello_with(&broken)).await;
        assert!(answer.ok() && answer.get("speculativeAuthenticate").is_none());
        // And no login hangs on it.
        let (login, first) = Login::start(&mut client, DATABASE, true).await;
        assert!(login.prove(&mut client, &first).await.ok());
    });
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_one() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut answers = Vec::new();
        for (user, password) in [(DATABASE, &b"wrong horse"[..]), ("nobody", PASSWORD)] {
            for in_hello in [true, false] {
                let mut client = stage.client().await;
                let login = Login::of(user);
                let start = login.first(true).write();
                let reply = match in_hello {
                    true => client.ask(&hello_with(&start)).await.speculative(),
                    false => client.ask(&start).await.sasl(),
                };
                if user == "nobody" {
                    assert_eq!(work(&reply), MOCK);
                }
                let (_, answer) = login.prove_with(&mut client, &reply, password).await;
                assert_eq!(answer.text(), "Authentication failed.");
                assert_eq!(
                    answer.get("codeName"),
                    Some(Value::String("AuthenticationFailed"))
                );
                answers.push(answer.document);
            }
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert!(stage.server.heard().is_empty());
    });
}

#[test]
fn whom_nobody_knows_is_given_the_same_salt_each_time() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut salts = Vec::new();
        for user in ["nobody", "nobody", "noone"] {
            let mut client = stage.client().await;
            let (_, reply) = Login::start(&mut client, user, true).await;
            let text = String::from_utf8(reply.payload).unwrap();
            salts.push(text.split(',').nth(1).unwrap().to_owned());
        }
        assert_eq!(salts[0], salts[1]);
        assert_ne!(salts[0], salts[2]);
    });
}

#[test]
fn the_mechanisms_of_all_users_are_the_same() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        for user in [
            "app__acme.app__acme",
            "app__acme.nobody",
            "nowhere.nobody",
            "a.b.c",
        ] {
            let mut hello = command("hello");
            hello.str("saslSupportedMechs", user);
            let answer = client.ask(&of_admin(hello)).await;
            let mechanisms = answer.get("saslSupportedMechs").unwrap();
            let mechanisms: Vec<_> = mechanisms.as_array().unwrap().iter().collect();
            assert_eq!(
                mechanisms,
                [Ok(("0", Value::String(scram::SHA_256)))],
                "{user}"
            );
        }
        let mut hello = command("hello");
        hello.str("saslSupportedMechs", "nodot");
        assert_eq!(client.ask(&of_admin(hello)).await.code(), 2);
    });
}

#[test]
fn the_empty_exchange_is_left_out_for_who_asks_so() {
    fake::run(async {
        let stage = Stage::start().await;
        for in_hello in [true, false] {
            let mut client = stage.client().await;
            let login = Login::of(DATABASE);
            let start = login.first(false).write();
            let reply = match in_hello {
                true => client.ask(&hello_with(&start)).await.speculative(),
                false => client.ask(&start).await.sasl(),
            };
            let (expect, proven) = login.prove_with(&mut client, &reply, PASSWORD).await;
            assert!(proven.is("done", false));
            // It is not in before.
            assert_eq!(client.ask(&find()).await.code(), 13);
            let empty = expect.finish(&proven.sasl()).unwrap().expect("one more");
            let last = client.ask(&empty.next().write(DATABASE)).await.sasl();
            assert!(last.payload.is_empty());
            assert_eq!(empty.finish(&last), Ok(()));
            assert!(client.ask(&find()).await.ok());
        }
    });
}

#[test]
fn a_conversation_that_nobody_began_is_an_error() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        let answer = client.ask(&next(1, b"c=biws,r=a,p=b")).await;
        assert_eq!(answer.code(), 17);
        assert_eq!(answer.text(), "No SASL session state found");
    });
}

#[test]
fn a_conversation_of_another_number_is_an_error_and_over() {
    fake::run(async {
        let stage = Stage::start().await;
        for id in [0, 2, -1, i32::MAX] {
            let mut client = stage.client().await;
            let (login, first) = Login::start(&mut client, DATABASE, true).await;
            let answer = client.ask(&next(id, b"c=biws,r=a,p=b")).await;
            assert_eq!(answer.code(), 17);
            assert_eq!(answer.text(), "sasl: Mismatched conversation id");
            assert_eq!(login.prove(&mut client, &first).await.code(), 17);
            // It may begin another.
            let (login, first) = Login::start(&mut client, DATABASE, true).await;
            assert!(login.prove(&mut client, &first).await.ok());
        }
    });
}

#[test]
fn a_proof_with_another_nonce_is_none() {
    fake::run(async {
        let stage = Stage::start().await;
        for (from, to) in [
            ("r=", "r=x"),
            ("c=biws", "c=eSws"),
            (",p=", ",p=x"),
            ("p=", "q="),
        ] {
            let mut client = stage.client().await;
            let (login, first) = Login::start(&mut client, DATABASE, true).await;
            let password = Credential::Password(PASSWORD);
            let (_, payload) = login.first.first(&first, &password).unwrap();
            let payload = String::from_utf8(payload).unwrap().replacen(from, to, 1);
            let answer = client.ask(&next(1, payload.as_bytes())).await;
            assert_eq!(answer.code(), 18, "{to}");
        }
        assert!(stage.server.heard().is_empty());
    });
}

#[test]
fn channel_binding_is_not_offered_and_a_client_that_knows_so_is_taken() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        for bound in ["p=tls-unique", "p=tls-server-end-point"] {
            let first = format!("{bound},,n=app__acme,r=0123456789abcdef");
            let answer = client
                .ask(&start_by(scram::SHA_256, first.as_bytes()))
                .await;
            assert_eq!(answer.code(), 18);
            assert!(
                answer.text().contains("channel binding"),
                "{}",
                answer.text()
            );
        }
        // `y`: could, and thinks that the server cannot.
        let first = b"y,,n=app__acme,r=0123456789abcdef";
        let reply = client.ask(&start_by(scram::SHA_256, first)).await.sasl();
        assert_eq!(work(&reply).0, 4096);
    });
}

#[test]
fn a_name_may_have_what_scram_escapes() {
    fake::run(async {
        const NAME: &str = "a=b,c=2C";
        let stage = Stage::start().await;
        let mut route = route(stage.server_addr);
        route.logins[0].user = NAME.to_owned();
        fake::put(&stage.core.context, route);
        let mut client = stage.client().await;
        let (login, first) = Login::start(&mut client, NAME, true).await;
        assert!(login.payload.starts_with(b"n,,n=a=3Db=2Cc=3D2C,r="));
        assert!(login.prove(&mut client, &first).await.ok());
        let mut client = stage.client().await;
        for broken in ["a=b", "a=2c", "a=", "a=3"] {
            let first = format!("n,,n={broken},r=0123456789abcdef");
            let start = start_by(scram::SHA_256, first.as_bytes());
            assert_eq!(client.ask(&start).await.code(), 18, "{broken}");
        }
    });
}

#[test]
fn other_mechanisms_are_refused_with_the_reason() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        for (mechanism, reason) in [
            ("SCRAM-SHA-1", "MD5"),
            ("PLAIN", "show the password"),
            ("MONGODB-X509", "certificate"),
            ("GSSAPI", "does not know"),
            ("MONGODB-OIDC", "does not know"),
            ("scram-sha-256", "does not know"),
        ] {
            let answer = client.ask(&start_by(mechanism, b"\0user\0secret")).await;
            assert_eq!(answer.code(), 334, "{mechanism}");
            for part in [mechanism, reason, "SCRAM-SHA-256"] {
                assert!(answer.text().contains(part), "{}", answer.text());
            }
            assert!(!answer.text().contains("secret"));
        }
        let mut x509 = command("authenticate");
        x509.str("mechanism", "MONGODB-X509")
            .str("$db", "$external");
        let answer = client.ask(&x509.finish()).await;
        assert_eq!(answer.code(), 334);
        assert!(answer.text().contains("certificate"), "{}", answer.text());
    });
}

#[test]
fn a_payload_may_be_base64_and_is_answered_so() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        let login = Login::of(DATABASE);
        let text = |payload: &[u8]| {
            let reply = SaslReply {
                conversation_id: 1,
                done: false,
                payload: payload.to_vec(),
                base64: true,
            };
            let reply = reply.write();
            let text = Document::whole(&reply).unwrap().get("payload").unwrap();
            text.unwrap().as_str().unwrap().to_owned()
        };
        let first = text(&login.payload);
        let start = SaslStart {
            payload: Payload::Base64(&first),
            ..login.first(true)
        };
        let answer = client.ask(&start.write()).await;
        assert!(matches!(answer.get("payload"), Some(Value::String(_))));
        let password = Credential::Password(PASSWORD);
        let (expect, payload) = login.first.first(&answer.sasl(), &password).unwrap();
        let payload = text(&payload);
        let next = SaslContinue {
            payload: Payload::Base64(&payload),
            ..expect.next(&[])
        };
        let answer = client.ask(&next.write(DATABASE)).await;
        assert!(matches!(answer.get("payload"), Some(Value::String(_))));
        assert!(expect.finish(&answer.sasl()).unwrap().is_none());
        assert!(client.ask(&find()).await.ok());
    });
}

#[test]
fn a_client_may_fail_and_try_again_but_not_for_ever() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        for _ in 0..4 {
            let (login, first) = Login::start(&mut client, DATABASE, true).await;
            let (_, answer) = login.prove_with(&mut client, &first, b"wrong").await;
            assert_eq!(answer.code(), 18);
        }
        let (login, first) = Login::start(&mut client, DATABASE, true).await;
        let password = Credential::Password(b"wrong");
        let (_, payload) = login.first.first(&first, &password).unwrap();
        client.tell(Flags::NONE, &next(1, &payload)).await;
        assert_eq!(client.last_answer().await.code(), 18);
    });
}

#[test]
fn who_is_logged_in_stays_who_it_is() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.logged_in().await;
        let login = Login::of(DATABASE);
        let start = login.first(true).write();
        assert_eq!(client.ask(&start).await.code(), 20);
        assert_eq!(client.ask(&next(1, b"")).await.code(), 20);
        assert!(
            client
                .ask(&hello_with(&start))
                .await
                .get("speculativeAuthenticate")
                .is_none()
        );
        assert!(client.ask(&find()).await.ok());
    });
}
