use std::path::Path;

use tokio::io::{DuplexStream, duplex};

use super::super::accept::Acceptor;
use super::super::dev;
use super::*;
use crate::config::CertFiles;

/// What a server does after SSLRequest.
async fn serve(mut far: DuplexStream, answer: &'static [u8], dir: &Path) {
    let mut request = [0; 8];
    far.read_exact(&mut request).await.unwrap();
    assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
    far.write_all(answer).await.unwrap();
    if answer == b"S" {
        let files = CertFiles {
            cert: dir.join("server.crt"),
            key: dir.join("server.key"),
        };
        if let Ok(mut stream) = Acceptor::load(&files).unwrap().negotiated(far).await {
            stream.write_all(b"hello").await.unwrap();
            let _ = stream.read(&mut [0; 1]).await; // until the client is gone
        }
    }
}

async fn dial(
    tls: ServerTls,
    addr: &str,
    answer: &'static [u8],
    trusted: bool,
) -> Result<String, DialError> {
    let dir = tempfile::tempdir().unwrap();
    dev::write(dir.path()).unwrap();
    let ca = dir.path().join("ca.crt");
    let dialer = Dialer::load(trusted.then_some(ca.as_path())).unwrap();
    let (near, far) = duplex(16 * 1024);
    let dial = async {
        match dialer.dial(near, tls, addr).await? {
            Dialled::Plain(_) => Ok("plain".to_owned()),
            Dialled::Tls(mut stream) => {
                let mut text = [0; 5];
                stream.read_exact(&mut text).await?;
                Ok(String::from_utf8(text.to_vec()).unwrap())
            }
        }
    };
    match tls {
        ServerTls::Disable => dial.await,
        _ => tokio::join!(dial, serve(far, answer, dir.path())).0,
    }
}

#[tokio::test]
async fn each_mode_does_what_it_says() {
    use ServerTls::{Disable, Require, VerifyFull};
    assert_eq!(dial(Disable, "db:5432", b"", false).await.unwrap(), "plain");
    assert_eq!(
        dial(Require, "db:5432", b"S", false).await.unwrap(),
        "hello"
    );
    assert_eq!(
        dial(Require, "10.0.0.1:5432", b"S", false).await.unwrap(),
        "hello"
    );
    assert_eq!(
        dial(VerifyFull, "localhost:5432", b"S", true)
            .await
            .unwrap(),
        "hello"
    );
    assert_eq!(
        dial(VerifyFull, "[::1]:5432", b"S", true).await.unwrap(),
        "hello"
    );
    let other_host = dial(VerifyFull, "db:5432", b"S", true).await;
    assert!(
        matches!(other_host, Err(DialError::Io(_))),
        "{other_host:?}"
    );
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_in_plain() {
    for tls in [ServerTls::Require, ServerTls::VerifyFull] {
        let refused = dial(tls, "localhost:5432", b"N", true).await;
        assert!(matches!(refused, Err(DialError::NotOffered)), "{refused:?}");
    }
    let refused = dial(ServerTls::Require, "localhost:5432", b"E", true).await;
    assert!(
        matches!(refused, Err(DialError::Answer(b'E'))),
        "{refused:?}"
    );
}

/// CVE-2021-23222: what comes between the answer and TLS must not pass for protected.
#[tokio::test]
async fn data_between_the_answer_and_tls_is_refused() {
    let refused = dial(ServerTls::Require, "localhost:5432", b"SR\0\0\0\x08", true).await;
    assert!(matches!(refused, Err(DialError::EarlyData)), "{refused:?}");
}

#[tokio::test]
async fn verify_full_needs_roots_before_anything_is_sent() {
    let dialer = Dialer::load(None).unwrap();
    let (near, mut far) = duplex(64);
    let refused = dialer
        .dial(near, ServerTls::VerifyFull, "localhost:5432")
        .await;
    assert!(matches!(refused, Err(DialError::NoRoots)), "{refused:?}");
    assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
}
