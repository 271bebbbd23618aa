use tenantsdb_codecs::scram::ClientKey;
use tenantsdb_codecs::scram::server::Exchange as ServerExchange;
use tokio::io::{DuplexStream, duplex};

use super::*;
use crate::fake::{PASSWORD, verifier};

/// The key that a client's proof reveals.
fn client_key() -> ClientKey {
    let server = ServerExchange::new(verifier(), true, nonce(), None);
    let (client, first) = Exchange::new(nonce(), None);
    let (server, first) = server.first(client.mechanism(), &first).unwrap();
    let (_, last) = client
        .first(&first, &Credential::Password(PASSWORD))
        .unwrap();
    server.finish(&last).unwrap().0
}

async fn log_in(
    server: impl AsyncFnOnce(&mut DuplexStream),
) -> Result<Connection<DuplexStream>, Error> {
    let (near, mut far) = duplex(64 * 1024);
    let (key, verifier) = (client_key(), verifier());
    let settings = [("TimeZone".to_owned(), "UTC".to_owned())];
    let identity = Identity {
        database: "app__acme",
        user: "app__acme",
        settings: &settings,
        credential: Credential::Key {
            client: &key,
            verifier: &verifier,
        },
    };
    let (done, ()) = tokio::join!(login(Stream::Plain(near), identity), async {
        server(&mut far).await;
        drop(far);
    });
    done
}

async fn send(server: &mut DuplexStream, bytes: &[u8]) {
    server.write_all(bytes).await.unwrap();
}

fn authentication(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}

fn offer(mechanisms: &[&str]) -> Vec<u8> {
    authentication(|out| auth::encode_sasl(mechanisms, out).unwrap())
}

/// A server's half of the exchange; `change` may do something to each of its two messages.
async fn exchange(server: &mut DuplexStream, change: impl Fn(usize, Vec<u8>) -> Vec<u8>) {
    let mut inbox = Inbox::default();
    inbox.fill::<()>(server).await.unwrap();
    inbox.take(inbox.unread().len()); // the startup packet
    send(server, &offer(&[scram::SHA_256_PLUS, scram::SHA_256])).await;
    let machine = ServerExchange::new(verifier(), true, nonce(), None);
    let message = inbox.message(server, 4096).await.unwrap();
    let initial = auth::decode_sasl_initial(message.body).unwrap();
    let (machine, data) = machine.first(initial.mechanism, initial.data).unwrap();
    let data = change(0, data);
    send(
        server,
        &authentication(|out| auth::encode_sasl_continue(&data, out).unwrap()),
    )
    .await;
    let Ok(message) = inbox.message(server, 4096).await else {
        return;
    };
    let (_, data) = machine.finish(message.body).unwrap();
    let data = change(1, data);
    send(
        server,
        &authentication(|out| auth::encode_sasl_final(&data, out).unwrap()),
    )
    .await;
    send(server, &authentication(auth::encode_ok)).await;
}

const GREETING: &[u8] = b"S\0\0\0\x08a\x001\0N\0\0\0\x05\0K\0\0\0\x0c\0\0\0\x07abcdZ\0\0\0\x05I";

#[tokio::test]
async fn the_clients_key_logs_in() {
    let connection = log_in(async |server| {
        exchange(server, |_, data| data).await;
        send(server, GREETING).await;
    });
    let connection = connection.await.unwrap();
    assert_eq!(connection.parameters.get("a"), Some("1"));
    assert_eq!(
        (connection.key.pid, &*connection.key.secret),
        (7, &b"abcd"[..])
    );
}

#[tokio::test]
async fn a_server_that_trusts_needs_no_exchange() {
    let connection = log_in(async |server| {
        send(server, &authentication(auth::encode_ok)).await;
        send(server, GREETING).await;
    });
    assert!(connection.await.is_ok());
}

#[tokio::test]
async fn another_salt_and_a_wrong_signature_are_no_login() {
    let changed = log_in(async |server| {
        exchange(server, |n, data| match n {
            0 => String::from_utf8(data)
                .unwrap()
                .replace("s=MDEy", "s=AAEy")
                .into_bytes(),
            _ => data,
        })
        .await;
    });
    let changed = changed.await.err().unwrap();
    assert!(
        matches!(changed, Error::Scram(scram::Error::SaltChanged)),
        "{changed:?}"
    );
    assert!(changed.is_login_refused());
    let forged = log_in(async |server| {
        let forged = b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        exchange(
            server,
            |n, data| if n == 1 { forged.to_vec() } else { data },
        )
        .await;
        send(server, GREETING).await;
    });
    let forged = forged.await.err().unwrap();
    assert!(
        matches!(forged, Error::Scram(scram::Error::ServerSignature)),
        "{forged:?}"
    );
}

#[tokio::test]
async fn other_methods_are_not_answered() {
    let offers = [
        b"R\0\0\0\x08\0\0\0\x03".to_vec(),
        b"R\0\0\0\x0c\0\0\0\x05salt".to_vec(),
        b"R\0\0\0\x08\0\0\0\x07".to_vec(),
    ];
    for offer in offers {
        let refused = log_in(async |server| send(server, &offer).await)
            .await
            .err()
            .unwrap();
        assert!(matches!(refused, Error::Method), "{refused:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_read_whatever_it_lacks() {
    let refused = log_in(async |server| {
        send(server, b"E\0\0\0\x17SFATAL\0C53300\0Mno\0\0").await;
    });
    assert_eq!(
        refused.await.err().unwrap().to_string(),
        "server refused: 53300: no"
    );
    for broken in [&b"E\0\0\0\x05\0"[..], b"E\0\0\0\x04", b"E\0\0\0\x09C5330"] {
        let refused = log_in(async |server| send(server, broken).await)
            .await
            .err()
            .unwrap();
        assert!(
            matches!(refused, Error::Refused(_)),
            "{broken:?}: {refused:?}"
        );
        assert!(!refused.is_login_refused());
    }
}

#[tokio::test]
async fn a_server_that_breaks_off_or_babbles_is_no_server() {
    let ok = authentication(auth::encode_ok);
    let long = b"S\x7f\xff\xff\xff";
    let scripts: [(&[u8], &str); 7] = [
        (b"", "server closed the connection"),
        (b"R\0\0\0\x08\0", "server closed the connection"),
        (b"Z\0\0\0\x05I", "server sent an unexpected message 'Z'"),
        (b"R\0\0\0\x02", "server: message length 0x2 is out of range"),
        (
            long,
            "server: message of 2147483643 bytes, at most 65536 are taken",
        ),
        (
            &[&ok[..], b"Z\0\0\0\x05I"].concat(),
            "server sent an unexpected message 'Z'",
        ),
        (
            &[&ok[..], GREETING, b"N"].concat(),
            "server sent an unexpected message 'Z'",
        ),
    ];
    for (script, expected) in scripts {
        let error = log_in(async |server| send(server, script).await)
            .await
            .err()
            .unwrap();
        assert_eq!(error.to_string(), expected, "{script:?}");
    }
}
