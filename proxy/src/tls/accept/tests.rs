use std::path::Path;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsConnector;

use super::super::{certs, dev};
use super::*;

fn files(dir: &Path) -> CertFiles {
    CertFiles {
        cert: dir.join("server.crt"),
        key: dir.join("server.key"),
    }
}

/// An acceptor with development certificates, and a client that trusts them.
fn pair(alpn: &[&[u8]]) -> (Acceptor, TlsConnector) {
    let dir = tempfile::tempdir().unwrap();
    dev::write(dir.path()).unwrap();
    let mut roots = RootCertStore::empty();
    for cert in certs::chain(&dir.path().join("ca.crt")).unwrap() {
        roots.add(cert).unwrap();
    }
    let mut client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let acceptor = Acceptor::load(&files(dir.path())).unwrap();
    (acceptor, TlsConnector::from(Arc::new(client)))
}

async fn connect(
    connector: &TlsConnector,
    host: &'static str,
    stream: DuplexStream,
) -> io::Result<tokio_rustls::client::TlsStream<DuplexStream>> {
    connector
        .connect(ServerName::try_from(host).unwrap(), stream)
        .await
}

#[tokio::test]
async fn development_certificates_are_verified_in_full() {
    let (acceptor, connector) = pair(&[]);
    for host in dev::NAMES {
        let (near, far) = duplex(16 * 1024);
        let (client, server) =
            tokio::join!(connect(&connector, host, near), acceptor.negotiated(far));
        let (client, server) = (client.unwrap(), server.unwrap());
        assert_eq!(
            client.get_ref().1.protocol_version(),
            Some(ProtocolVersion::TLSv1_3)
        );
        let seen = super::super::dial::end_point(&client).unwrap();
        assert_eq!(&seen, acceptor.end_point());
        drop(server);
    }
    let (near, far) = duplex(16 * 1024);
    let (client, _) = tokio::join!(
        connect(&connector, "example.com", near),
        acceptor.negotiated(far)
    );
    assert!(client.is_err());
}

#[tokio::test]
async fn direct_tls_must_name_postgresql() {
    for (alpn, taken) in [
        (&[][..], false),
        (&[&b"http/1.1"[..]][..], false),
        (&[ALPN_POSTGRES][..], true),
        (&[&b"http/1.1"[..], ALPN_POSTGRES][..], true),
    ] {
        let (acceptor, connector) = pair(alpn);
        let (near, far) = duplex(16 * 1024);
        let (client, server) = tokio::join!(
            connect(&connector, "localhost", near),
            acceptor.direct(far, &[])
        );
        assert_eq!(server.is_ok(), taken, "{alpn:?}");
        drop(client);
    }
}

#[tokio::test]
async fn what_was_read_to_find_direct_tls_is_not_lost() {
    let (acceptor, connector) = pair(&[ALPN_POSTGRES]);
    let (near, mut far) = duplex(16 * 1024);
    let accept = async {
        let mut first = [0; 100];
        far.read_exact(&mut first).await?;
        acceptor.direct(far, &first).await
    };
    let (client, server) = tokio::join!(connect(&connector, "localhost", near), accept);
    assert!(client.is_ok() && server.is_ok());
}

/// supavisor#993: what a record holds beyond libpq's buffer stays unseen by its asynchronous API.
#[tokio::test]
async fn records_towards_clients_are_8_kb_at_most() {
    let (acceptor, connector) = pair(&[]);
    let (near, relay) = duplex(1 << 20);
    let (mut wire, far) = duplex(1 << 20);
    let (mut relay_read, mut relay_write) = tokio::io::split(relay);
    let watching = tokio::spawn(async move {
        let (mut from_server, mut to_server) = tokio::io::split(&mut wire);
        let up = tokio::io::copy(&mut relay_read, &mut to_server);
        let down = async {
            let mut longest = 0;
            loop {
                let mut header = [0; 5];
                if from_server.read_exact(&mut header).await.is_err() {
                    break longest;
                }
                let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
                longest = longest.max(length);
                let mut body = vec![0; length];
                from_server.read_exact(&mut body).await.unwrap();
                relay_write.write_all(&header).await.unwrap();
                relay_write.write_all(&body).await.unwrap();
            }
        };
        tokio::select! { longest = down => longest, _ = up => 0 }
    });
    let (client, server) = tokio::join!(
        connect(&connector, "localhost", near),
        acceptor.negotiated(far)
    );
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    let sending = tokio::spawn(async move {
        server.write_all(&[7; 100_000]).await.unwrap();
        server.shutdown().await.unwrap();
    });
    let mut got = vec![0; 100_000];
    client.read_exact(&mut got).await.unwrap();
    sending.await.unwrap();
    let longest = watching.await.unwrap();
    // The plaintext is what counts; a record adds its tag and type to it.
    assert!((4096..=8192 + 64).contains(&longest), "{longest}");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    dev::write(one.path()).unwrap();
    dev::write(other.path()).unwrap();
    let mixed = CertFiles {
        key: files(other.path()).key,
        ..files(one.path())
    };
    assert!(matches!(
        Acceptor::load(&mixed),
        Err(TlsError::Rustls { .. })
    ));
    let none = CertFiles {
        cert: files(one.path()).key,
        ..files(one.path())
    };
    assert!(matches!(Acceptor::load(&none), Err(TlsError::Empty(_))));
}
