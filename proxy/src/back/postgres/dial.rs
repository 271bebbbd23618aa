//! TCP to a server, and TLS over it as the route says.

#[cfg(target_os = "linux")]
use std::time::Duration;

use socket2::SockRef;
use tenantsdb_codecs::feed::route::Server;
use tokio::net::TcpStream;

use super::Error;
use crate::stream::{Stream, keepalive};
use crate::tls::dial::{Dialer, Dialled};

/// How long what was sent to a server may stay unconfirmed: as long as keepalive takes to find that
/// nobody is there.
#[cfg(target_os = "linux")]
const UNCONFIRMED_TIMEOUT: Duration = Duration::from_secs(120);

/// A protected connection, not logged in. Cancel safe: dropped before it is done, it is closed. The
/// deadline is the caller's.
pub(crate) async fn dial(server: &Server, dialer: &Dialer) -> Result<Stream<TcpStream>, Error> {
    let tcp = TcpStream::connect(&*server.addr)
        .await
        .map_err(Error::Connect)?;
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(&tcp);
    socket.set_tcp_keepalive(&keepalive())?;
    // What is sent and never confirmed is not covered by keepalive.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNCONFIRMED_TIMEOUT))?;
    Ok(match dialer.dial(tcp, server.tls, &server.addr).await? {
        Dialled::Plain(tcp) => Stream::Plain(tcp),
        Dialled::Tls(tls) => Stream::Tls(Box::new((*tls).into())),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fake;

    #[tokio::test]
    async fn the_kernel_watches_over_a_server_connection() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = fake::route(listener.local_addr().unwrap()).server;
        let context = fake::context(fake::config());
        let stream = dial(&Arc::new(server), context.tls.dialer()).await.unwrap();
        let socket = SockRef::from(stream.transport());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap().as_secs(), 60);
        #[cfg(target_os = "linux")]
        assert_eq!(
            socket.tcp_user_timeout().unwrap(),
            Some(UNCONFIRMED_TIMEOUT)
        );
    }
}
