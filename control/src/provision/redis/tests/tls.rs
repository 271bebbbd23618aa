//! The administrator's own connection, protected.

use std::fs;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::ServerTls;

use super::server::{Server, free_port};
use crate::provision::{Error, Provisioner, ServerLogin};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_certificate_is_looked_at_where_that_is_asked_for() {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(path("crt"), made.cert.pem()).unwrap();
    fs::write(path("key"), made.signing_key.serialize_pem()).unwrap();
    let port = free_port().to_string();
    let (crt, key) = (path("crt"), path("key"));
    let server = Server::redis(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        crt.to_str().unwrap(),
        "--tls-key-file",
        key.to_str().unwrap(),
        "--tls-auth-clients",
        "no",
    ]);
    let register = async |host: &str, tls, ca: bool| {
        let login = ServerLogin {
            addr: format!("{host}:{port}"),
            tls,
            ca: ca.then(|| path("crt")),
            ..server.admin_login()
        };
        Provisioner::new(Engine::Redis, login).register().await
    };
    register("127.0.0.1", ServerTls::Require, false)
        .await
        .unwrap();
    register("localhost", ServerTls::VerifyFull, true)
        .await
        .unwrap();
    for (host, ca) in [("localhost", false), ("127.0.0.1", true)] {
        let refused = register(host, ServerTls::VerifyFull, ca).await;
        assert!(
            matches!(refused, Err(Error::Unreachable { .. })),
            "{host}: {refused:?}"
        );
    }
}
