//! The administrator's connection through TLS.

use super::server::Server;
use crate::provision::{Error, Provisioner};
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::ServerTls;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_certificate_is_held_against_the_authority_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let cert = write("cert.pem", own.cert.pem());
    let key = write("key.pem", own.signing_key.serialize_pem());
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = write("other.pem", other.cert.pem());
    let server = Server::start_tls(&cert, &key).await;
    let register = async |tls, ca: Option<&std::path::PathBuf>| {
        let mut login = server.admin_login();
        login.addr = login.addr.replace("127.0.0.1", "localhost");
        login.tls = tls;
        login.ca = ca.cloned();
        Provisioner::new(Engine::MongoDb, login).register().await
    };
    register(ServerTls::VerifyFull, Some(&cert)).await.unwrap();
    register(ServerTls::Require, None).await.unwrap();
    for (tls, ca) in [
        (ServerTls::VerifyFull, Some(&other)),
        (ServerTls::VerifyFull, None),
        (ServerTls::Disable, None),
    ] {
        let refused = register(tls, ca).await;
        assert!(
            matches!(refused, Err(Error::Unreachable { .. })),
            "{refused:?}"
        );
    }
}
