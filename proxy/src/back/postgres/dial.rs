//! TCP to a server, and TLS over it as the route says.

use tenantsdb_codecs::feed::route::Server;
use tokio::net::TcpStream;

use super::Error;
use crate::back::dial::connect;
use crate::stream::Stream;
use crate::tls::dial::{Dialer, Dialled};

/// A protected connection, not logged in. Cancel safe: dropped before it is done, it is closed. The
/// deadline is the caller's.
pub(crate) async fn dial(server: &Server, dialer: &Dialer) -> Result<Stream<TcpStream>, Error> {
    let tcp = connect(&server.addr).await.map_err(Error::Connect)?;
    Ok(match dialer.dial(tcp, server.tls, &server.addr).await? {
        Dialled::Plain(tcp) => Stream::Plain(tcp),
        Dialled::Tls(tls) => Stream::Tls(Box::new((*tls).into())),
    })
}
