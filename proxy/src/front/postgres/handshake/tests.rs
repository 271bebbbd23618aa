use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tenantsdb_codecs::postgres::startup::{ProtocolVersion, encode_startup};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsConnector;

use super::*;
use crate::config::CertFiles;
use crate::tls::accept::ALPN_POSTGRES;
use crate::tls::{certs, dev, provider};

const SSL: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
const GSS: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";
const CANCEL: &[u8] = b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07abcd";

fn startup() -> Vec<u8> {
    let mut packet = Vec::new();
    encode_startup(
        ProtocolVersion::V3_0,
        [("user", "u")].into_iter(),
        &mut packet,
    )
    .unwrap();
    packet
}

/// An acceptor, and a client that trusts it and names these protocols.
fn tls(alpn: &[&[u8]]) -> (Acceptor, TlsConnector) {
    let dir = tempfile::tempdir().unwrap();
    dev::write(dir.path()).unwrap();
    let path = |name| dir.path().join(name);
    let mut roots = RootCertStore::empty();
    roots
        .add(certs::chain(&path("ca.crt")).unwrap().remove(0))
        .unwrap();
    let mut client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let files = CertFiles {
        cert: path("server.crt"),
        key: path("server.key"),
    };
    (
        Acceptor::load(&files).unwrap(),
        TlsConnector::from(Arc::new(client)),
    )
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// Plays a client that sends `parts` and waits for one byte between two of them.
async fn play(
    acceptor: Option<&Acceptor>,
    parts: &[&[u8]],
) -> (
    Result<Handshake<DuplexStream>, Stray<DuplexStream>>,
    Vec<u8>,
) {
    let (near, mut far) = duplex(64 * 1024);
    let client = async {
        let mut answers = Vec::new();
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                match far.read_u8().await {
                    Ok(answer) => answers.push(answer),
                    Err(_) => break,
                }
            }
            far.write_all(part).await.unwrap();
        }
        drop(far);
        answers
    };
    tokio::join!(handshake(near, acceptor), client)
}

#[tokio::test]
async fn without_tls_encryption_is_refused_and_the_client_goes_on() {
    let startup = startup();
    let (done, answers) = play(None, &[GSS, SSL, &[&startup[..], b"Q"].concat()]).await;
    assert_eq!(answers, b"NN");
    let Ok(Handshake::Startup(client, startup)) = done else {
        panic!("{done:?}");
    };
    assert_eq!(startup.user, "u");
    assert_eq!(
        client.inbox.unread(),
        b"Q",
        "what comes behind the packet is kept"
    );
    assert!(client.binding.is_none());
}

#[tokio::test]
async fn encryption_is_asked_for_once() {
    for twice in [[SSL, SSL], [GSS, GSS]] {
        let (done, _) = play(None, &twice).await;
        let refusal = done.err().unwrap().refusal;
        assert!(matches!(refusal, Refusal::SecondEncryption), "{refusal:?}");
    }
}

#[tokio::test]
async fn plain_bytes_behind_an_encryption_request_are_refused() {
    let (acceptor, _) = tls(&[]);
    for acceptor in [None, Some(&acceptor)] {
        for request in [SSL, GSS] {
            let together = [request, &startup()].concat();
            let (done, _) = play(acceptor, &[&together]).await;
            let refusal = done.err().unwrap().refusal;
            assert!(
                matches!(refusal, Refusal::BytesBehindEncryptionRequest),
                "{refusal:?}"
            );
        }
    }
    // In a segment of their own, before the answer: then they are taken for the TLS handshake.
    let (near, mut far) = duplex(64 * 1024);
    let plain = startup();
    let (done, ()) = tokio::join!(handshake(near, Some(&acceptor)), async {
        far.write_all(SSL).await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'S');
        far.write_all(&plain).await.unwrap();
        far.shutdown().await.unwrap();
    });
    assert!(matches!(done.err().unwrap().refusal, Refusal::Tls(_)));
}

#[tokio::test]
async fn a_startup_packet_follows_inside_tls() {
    let (acceptor, connector) = tls(&[]);
    let (near, mut far) = duplex(64 * 1024);
    let (done, _client) = tokio::join!(handshake(near, Some(&acceptor)), async {
        far.write_all(SSL).await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'S');
        let mut tls = connector.connect(localhost(), far).await.unwrap();
        tls.write_all(&startup()).await.unwrap();
        tls.flush().await.unwrap();
        tls
    });
    let Ok(Handshake::Startup(client, _)) = done else {
        panic!("{done:?}");
    };
    assert!(client.binding.is_some());
    assert!(matches!(client.stream, Stream::Tls(_)));
}

#[tokio::test]
async fn direct_tls_must_name_postgresql() {
    for (alpn, accepted) in [(&[ALPN_POSTGRES][..], true), (&[], false)] {
        let (acceptor, connector) = tls(alpn);
        let (near, far) = duplex(64 * 1024);
        let (done, _client) = tokio::join!(handshake(near, Some(&acceptor)), async {
            let mut tls = connector.connect(localhost(), far).await.unwrap();
            let _ = tls
                .write_all(&[SSL, &startup()][usize::from(accepted)..].concat())
                .await;
            let _ = tls.flush().await;
            tls
        });
        match done {
            Ok(Handshake::Startup(client, _)) => assert!(accepted && client.binding.is_some()),
            Err(stray) => assert!(!accepted && matches!(stray.refusal, Refusal::Tls(_))),
            other @ Ok(_) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn direct_tls_has_its_place_at_the_start_and_where_tls_is_offered() {
    for parts in [&[&b"\x16\x03\x01"[..]][..], &[SSL, b"\x16\x03\x01"]] {
        let (done, _) = play(None, parts).await;
        let refusal = done.err().unwrap().refusal;
        assert!(matches!(refusal, Refusal::UnexpectedTls), "{refusal:?}");
    }
}

#[tokio::test]
async fn a_cancel_request_is_handed_on() {
    let (done, _) = play(None, &[CANCEL]).await;
    let Ok(Handshake::Cancel { pid, secret }) = done else {
        panic!("{done:?}");
    };
    assert_eq!((pid, &secret[..]), (7, &b"abcd"[..]));
}

#[tokio::test]
async fn a_client_that_stops_or_sends_something_else_gets_no_further() {
    for part in [&b""[..], b"\0", &startup()[..9], SSL.get(..5).unwrap()] {
        let (done, _) = play(None, &[part]).await;
        let refusal = done.err().unwrap().refusal;
        assert!(
            matches!(refusal, Refusal::Gone(None)),
            "{part:?}: {refusal:?}"
        );
    }
    let hostile = [
        &b"\0\0\0\0\0\x03\0\0"[..],
        b"\0\0\0\x03\0\x03\0\0",
        b"\x7f\xff\xff\xff\0\x03\0\0",
        b"\xff\xff\xff\xff\0\x03\0\0",
        b"\0\0\x27\x15\0\x03\0\0",
        b"\0\0\0\x08\0\x02\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
    ];
    for part in hostile {
        let (done, _) = play(None, &[part]).await;
        let refusal = done.err().unwrap().refusal;
        assert!(
            matches!(refusal, Refusal::Protocol(_)),
            "{part:?}: {refusal:?}"
        );
    }
}
