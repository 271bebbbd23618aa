//! From nothing to a connection that is logged in.
//!
//! ```text
//! TCP ─► TLS, if the route asks for it ─► hello with the first message of SCRAM
//!                                    ├─► its answer is in the reply ─► saslContinue
//!                                    └─► it is not: saslStart       ─► saslContinue
//! ```

use tenantsdb_codecs::feed::route::{Server, ServerTls};
use tenantsdb_codecs::mongo::auth::client::{self, ExpectFirst};
use tenantsdb_codecs::mongo::auth::{SaslReply, SaslStart};
use tenantsdb_codecs::mongo::startup::{HelloRequest, ServerHello};
use tenantsdb_codecs::scram::{ClientKey, Credential, Verifier};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{Connection, Error, ServerSession};
use crate::back::dial::connect;
use crate::nonce::nonce;
use crate::stream::Stream;
use crate::tls::dial::Dialer;

/// Who logs in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    /// The user.
    pub(crate) user: &'a str,
    /// The database that the user is in.
    pub(crate) database: &'a str,
    /// What the client's proof revealed.
    pub(crate) client_key: &'a ClientKey,
    /// What it was checked against; the server must have the same.
    pub(crate) verifier: &'a Verifier,
}

/// A connection to the server, logged in. Cancel safe: dropped before it is done, it is closed. The
/// deadline is the caller's.
pub(crate) async fn open(
    server: &Server,
    dialer: &Dialer,
    identity: Identity<'_>,
) -> Result<Connection, Error> {
    let mut connection = Connection {
        stream: dial(server, dialer).await?,
        session: ServerSession::default(),
    };
    log_in(&mut connection, identity).await?;
    Ok(connection)
}

/// A protected connection, not logged in. MongoDB has TLS from the first byte.
async fn dial(server: &Server, dialer: &Dialer) -> Result<Stream<TcpStream>, Error> {
    let tcp = connect(&server.addr).await.map_err(Error::Connect)?;
    Ok(match server.tls {
        ServerTls::Disable => Stream::Plain(tcp),
        tls => {
            let protected = dialer.protect(tcp, tls, &server.addr).await?;
            Stream::Tls(Box::new(protected.into()))
        }
    })
}

/// Not cancel safe: dropped before it is done, the connection is of no use.
async fn log_in<T>(connection: &mut Connection<T>, identity: Identity<'_>) -> Result<(), Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let (first, payload) = client::start(identity.user, nonce());
    let start = client::start_of(&payload, identity.database);
    let hello = HelloRequest {
        application: "",
        version: env!("CARGO_PKG_VERSION"),
        speculative: Some(start),
    };
    let reply = connection.ask(&hello.write()).await?;
    let hello = ServerHello::read(reply.ok()?)?;
    if !hello.writable {
        return Err(Error::NotWritable);
    }
    connection.session.connection_id = hello.connection_id;
    let answer = match hello.speculative {
        Some(answer) => answer,
        None => again(connection, &start).await?,
    };
    prove(connection, first, &answer, identity).await
}

/// The first message once more, for a server that looked over it in the hello.
async fn again<T>(connection: &mut Connection<T>, start: &SaslStart<'_>) -> Result<SaslReply, Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let reply = connection.ask(&start.write()).await?;
    Ok(SaslReply::read(reply.ok()?)?)
}

async fn prove<T>(
    connection: &mut Connection<T>,
    first: ExpectFirst,
    answer: &SaslReply,
    identity: Identity<'_>,
) -> Result<(), Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let credential = Credential::Key {
        client: identity.client_key,
        verifier: identity.verifier,
    };
    let (last, payload) = first.first(answer, &credential)?;
    let next = last.next(&payload).write(identity.database);
    let reply = connection.ask(&next).await?;
    if let Some(empty) = last.finish(&SaslReply::read(reply.ok()?)?)? {
        let next = empty.next().write(identity.database);
        let reply = connection.ask(&next).await?;
        empty.finish(&SaslReply::read(reply.ok()?)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
