//! A CancelRequest to a server.

use tenantsdb_codecs::feed::route::Server;
use tenantsdb_codecs::postgres::startup::encode_cancel;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{CancelKey, Error};
use crate::back::postgres::dial::dial;
use crate::tls::dial::Dialer;

/// Asks the server to cancel what the connection with this key runs, and waits until the server has
/// closed: only then has its signal been sent, and can no longer hit what runs there later.
/// Protected as the connection itself is. Cancel safe; the deadline is the caller's.
pub(crate) async fn cancel(server: &Server, dialer: &Dialer, key: &CancelKey) -> Result<(), Error> {
    let mut stream = dial(server, dialer).await?;
    let mut packet = Vec::new();
    encode_cancel(key.pid, &key.secret, &mut packet)?;
    stream.write_all(&packet).await?;
    stream.flush().await?;
    match stream.read(&mut [0; 64]).await {
        // There is no answer but the end; some TLS servers do not take leave in the protocol.
        Ok(0) | Err(_) => Ok(()),
        Ok(_) => Err(Error::Unexpected(0)),
    }
}
