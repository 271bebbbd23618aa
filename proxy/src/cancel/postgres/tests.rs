use tenantsdb_codecs::feed::route::ServerTls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::cancel::UNDER_WAY_MAX;
use crate::fake;

/// A session on a server that the test plays.
async fn session(version: ProtocolVersion) -> (Arc<Context>, Registration, TcpListener) {
    let context = fake::context(fake::config());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Arc::new(Server {
        id: "srv_1".to_owned(),
        addr: listener.local_addr().unwrap().to_string(),
        tls: ServerTls::Disable,
        version: None,
        mongo: None,
    });
    let key = CancelKey {
        pid: 7,
        secret: Box::from(*b"abcd"),
    };
    let registration = CancelKeys::register(&context, version, &server, &key);
    (context, registration, listener)
}

#[tokio::test]
async fn the_server_gets_its_own_key_and_the_session_waits_until_it_has_acted() {
    let (context, registration, listener) = session(ProtocolVersion::V3_0).await;
    let BackendKeyData { pid, secret } = registration.key();
    let secret = secret.to_vec();
    assert!(pid >= 0 && secret.len() == 4);
    let acted = std::cell::Cell::new(false);
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut packet = Vec::new();
        let mut byte = [0; 16];
        stream.read_exact(&mut byte).await.unwrap();
        packet.extend_from_slice(&byte);
        assert_eq!(packet, b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07abcd");
        let closing = tokio::spawn(registration.close());
        tokio::task::yield_now().await;
        assert!(!closing.is_finished());
        acted.set(true);
        drop(stream);
        assert!(closing.await.unwrap(), "the connection may be used again");
    };
    tokio::join!(CancelKeys::cancel(&context, pid, &secret), server);
    assert!(acted.get());
    CancelKeys::cancel(&context, pid, &secret).await;
    assert_eq!(context.metrics.cancels.value(Outcome::Failed), 1);
    assert!(context.cancel.sessions.is_empty());
}

#[tokio::test]
async fn a_server_that_does_not_act_or_answers_costs_the_connection() {
    let (context, registration, listener) = session(ProtocolVersion::V3_0).await;
    let BackendKeyData { pid, secret } = registration.key();
    let secret = secret.to_vec();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"E").await.unwrap();
        stream
    };
    let _ = tokio::join!(CancelKeys::cancel(&context, pid, &secret), server);
    assert!(!registration.close().await);
}

#[tokio::test]
async fn a_request_that_is_abandoned_costs_the_connection() {
    let (context, registration, listener) = session(ProtocolVersion::V3_0).await;
    let BackendKeyData { pid, secret } = registration.key();
    let secret = secret.to_vec();
    tokio::select! {
        () = CancelKeys::cancel(&context, pid, &secret) => panic!("the server has not closed"),
        stream = listener.accept() => drop(stream.unwrap().0.into_std()),
    }
    assert!(!registration.close().await);
}

#[tokio::test]
async fn a_wrong_secret_is_no_key_and_a_long_one_is_for_newer_clients() {
    let (context, registration, _listener) = session(ProtocolVersion::V3_2).await;
    let BackendKeyData { pid, secret } = registration.key();
    assert_eq!(secret.len(), SECRET_BYTES);
    let mut wrong = secret.to_vec();
    wrong[31] ^= 1;
    for wrong in [&wrong[..], &secret[..4], b""] {
        CancelKeys::cancel(&context, pid, wrong).await;
    }
    assert_eq!(context.metrics.cancels.value(Outcome::Failed), 3);
    drop(registration);
    assert!(context.cancel.sessions.is_empty());
}

#[tokio::test]
async fn requests_of_one_session_are_bounded() {
    let (_context, registration, _listener) = session(ProtocolVersion::V3_0).await;
    let session = Arc::clone(&registration.session);
    let under_way: Vec<_> = (0..UNDER_WAY_MAX)
        .map(|_| session.begin().unwrap())
        .collect();
    assert!(session.begin().is_none());
    under_way.into_iter().for_each(UnderWay::acted);
    assert!(registration.close().await);
    assert!(session.begin().is_none(), "the session is over");
}
