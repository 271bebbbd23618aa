//! From nothing to a connection that is logged in.
//!
//! ```text
//! TCP ─► TLS, if the route asks for it ─► HELLO n AUTH user password ─► who the server is
//!                                    └─► COMMAND, where nobody has asked this server before
//! ```

use std::sync::Arc;

use tenantsdb_codecs::feed::route::{Server, ServerTls};
use tenantsdb_codecs::redis::server::{Protocol, command};
use tenantsdb_codecs::redis::value::Value;
use tenantsdb_codecs::secret::Secret;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::command::{SHORT_BYTES_MAX, reply};
use super::tables::Tables;
use super::{Connection, Error, ServerSession, refused};
use crate::back::dial::connect;
use crate::stream::Stream;
use crate::tls::dial::Dialer;

/// Who logs in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    /// The user in the server's access list.
    pub(crate) user: &'a str,
    pub(crate) password: &'a Secret<Vec<u8>>,
    /// What replies are to come in.
    pub(crate) protocol: Protocol,
}

/// A server that has let us in, and has said who it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeted {
    pub(super) id: i64,
    pub(super) version: Arc<str>,
}

/// A connection to the server, logged in, with its table of commands. Cancel safe: dropped before
/// it is done, it is closed. The deadline is the caller's.
pub(crate) async fn open(
    server: &Server,
    dialer: &Dialer,
    tables: &Tables,
    identity: Identity<'_>,
) -> Result<Connection, Error> {
    let mut stream = dial(server, dialer).await?;
    let Greeted { id, version } = log_in(&mut stream, identity).await?;
    let table = tables.of(&server.id, &version, &mut stream).await?;
    Ok(Connection {
        stream,
        session: ServerSession {
            id,
            protocol: identity.protocol,
            table,
        },
    })
}

/// A protected connection, not logged in. Redis has TLS from the first byte.
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
pub(super) async fn log_in<T>(
    stream: &mut Stream<T>,
    identity: Identity<'_>,
) -> Result<Greeted, Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let (user, password) = (identity.user.as_bytes(), identity.password.expose());
    let mut out = Vec::with_capacity(SHORT_BYTES_MAX);
    let arguments: [&[u8]; 5] = [b"HELLO", number(identity.protocol), b"AUTH", user, password];
    command(&arguments, &mut out);
    // Wiped: it holds the password.
    let out = Secret::new(out);
    stream.write_all(out.expose()).await?;
    stream.flush().await?;
    let read = reply(stream, "HELLO", SHORT_BYTES_MAX).await?;
    read.with(|value| match value {
        Value::Error(text) => Err(refused(text)),
        value => greeted(value).ok_or(Error::Unexpected("HELLO")),
    })
}

/// What HELLO takes.
pub(super) const fn number(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Resp2 => b"2",
        Protocol::Resp3 => b"3",
    }
}

/// Reads HELLO's reply: names and values, in a map or one behind the other.
fn greeted(value: &Value<'_>) -> Option<Greeted> {
    let field = |name: &str| {
        let mut pairs = value.pairs();
        let found = pairs.find(|(key, _)| key.text() == Some(name));
        found.map(|(_, value)| value)
    };
    let id = field("id")?.integer()?;
    let (server, version) = (field("server")?.text()?, field("version")?.text()?);
    Some(Greeted {
        id,
        version: format!("{server} {version}").into(),
    })
}

#[cfg(test)]
mod tests {
    use tenantsdb_codecs::redis::value::value;

    use super::*;

    #[test]
    fn a_server_says_who_it_is_in_either_protocol() {
        let fields = "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n\
                      $5\r\nproto\r\n:3\r\n$2\r\nid\r\n:12\r\n$7\r\nmodules\r\n*0\r\n";
        let expected = Greeted {
            id: 12,
            version: "redis 7.0.15".into(),
        };
        for head in ["%5\r\n", "*10\r\n"] {
            let reply = format!("{head}{fields}");
            let (value, _) = value(reply.as_bytes()).unwrap().unwrap();
            assert_eq!(greeted(&value).as_ref(), Some(&expected), "{head}");
        }
        for other in ["+OK\r\n", "*0\r\n", "%1\r\n$2\r\nid\r\n:1\r\n"] {
            let (value, _) = value(other.as_bytes()).unwrap().unwrap();
            assert_eq!(greeted(&value), None, "{other}");
        }
    }
}
