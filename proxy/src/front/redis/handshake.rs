//! From the first byte to who the client says it is.
//!
//! ```text
//!   first byte 0x16 ─► TLS ──┐
//!   any other ───────────────┴─► HELLO … AUTH user password   ─► login
//!                                AUTH user password           ─► login
//!                                AUTH password                ─► -WRONGPASS: which database?
//!                                RESET                        ─► +RESET
//!                                QUIT                         ─► +OK, closed
//!                                anything else                ─► -NOAUTH
//! ```

use std::net::SocketAddr;

use tenantsdb_codecs::redis::client::Bounds;
use tenantsdb_codecs::redis::server::Protocol;
use tenantsdb_codecs::redis::startup as wire;
use tenantsdb_codecs::secret::Secret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::answer;
use super::client::Client;
use super::refuse::{self, Refusal};
use crate::stream::Stream;
use crate::tls::accept::Acceptor;

/// First byte of a TLS connection: a record of the handshake (RFC 8446, section 5.1). No request
/// begins with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// Who a client says it is.
#[derive(Debug)]
pub(crate) struct Login {
    /// Longer than any name there is, it is nobody's.
    pub(crate) user: Box<[u8]>,
    pub(crate) password: Secret<Vec<u8>>,
    /// What else it says, if it says so with HELLO, whose answer it is owed then.
    pub(crate) hello: Option<Hello>,
}

/// What HELLO says beside the login.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) protocol: Option<Protocol>,
    /// SETNAME; empty takes the name away.
    pub(crate) name: Option<Box<[u8]>>,
}

/// A request that is about the client itself.
#[derive(Debug)]
pub(crate) enum Request {
    /// AUTH user password, or HELLO with it.
    Login(Login),
    /// HELLO without AUTH.
    Hello(Hello),
    Reset,
    Quit,
    /// AUTH or HELLO that cannot be; with the error, without its minus.
    Wrong(String),
    /// Any other.
    Other,
}

/// What a client that is nobody comes for.
pub(super) enum Asked {
    Login(Login),
    Quit,
}

// === impl Request ===

impl Request {
    /// Reads a request whole.
    pub(crate) fn read(arguments: &[&[u8]]) -> Self {
        let Some((name, rest)) = arguments.split_first() else {
            return Self::Other;
        };
        let is = |command: &str| name.eq_ignore_ascii_case(command.as_bytes());
        if is("AUTH") {
            read_auth(rest)
        } else if is("HELLO") {
            read_hello(rest)
        } else if is("QUIT") {
            Self::Quit
        } else if is("RESET") && rest.is_empty() {
            Self::Reset
        } else {
            Self::Other
        }
    }
}

fn read_auth(arguments: &[&[u8]]) -> Request {
    match arguments {
        [user, password] => Request::Login(Login {
            user: (*user).into(),
            password: Secret::new(password.to_vec()),
            hello: None,
        }),
        [_password] => Request::Wrong(refuse::NO_USER.to_owned()),
        [] => Request::Wrong("ERR wrong number of arguments for 'auth' command".to_owned()),
        _ => Request::Wrong("ERR syntax error".to_owned()),
    }
}

fn read_hello(arguments: &[&[u8]]) -> Request {
    let read = match wire::Hello::read(arguments) {
        Ok(read) => read,
        Err(report) => {
            let text = format!("{} {}", report.word.as_str(), report.message);
            return Request::Wrong(text);
        }
    };
    let hello = Hello {
        protocol: read.protocol,
        name: read.name.map(Box::from),
    };
    match read.auth {
        Some((user, password)) => Request::Login(Login {
            user: user.into(),
            password: Secret::new(password.to_vec()),
            hello: Some(hello),
        }),
        None => Request::Hello(hello),
    }
}

/// TLS if the client begins with it. Nothing else has been read. Not cancel safe; the deadline is
/// the caller's. `acceptor` is `None` where TLS is not offered.
pub(super) async fn begin(
    stream: TcpStream,
    peer: SocketAddr,
    id: i64,
    acceptor: Option<&Acceptor>,
) -> Result<Client<TcpStream>, Refusal> {
    let mut first = [0];
    let peeked = stream.peek(&mut first).await?;
    let stream = match (first, acceptor) {
        ([TLS_HANDSHAKE], Some(acceptor)) if peeked > 0 => {
            let tls = acceptor.nameless(stream).await.map_err(Refusal::Tls)?;
            Stream::Tls(Box::new(tls.into()))
        }
        ([TLS_HANDSHAKE], None) if peeked > 0 => return Err(Refusal::UnexpectedTls),
        _ => Stream::Plain(stream),
    };
    Ok(Client::new(stream, peer, id))
}

/// Answers a client that is nobody until it says who it is. Not cancel safe; the deadline is the
/// caller's.
pub(super) async fn ask<T>(client: &mut Client<T>) -> Result<Asked, Refusal>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let request = client.request(&Bounds::BEFORE_AUTH, Request::read).await?;
        let out = &mut client.out;
        match request {
            Request::Login(login) => return Ok(Asked::Login(login)),
            Request::Quit => return Ok(Asked::Quit),
            Request::Reset => {
                answer::reset(out);
                client.protocol = Protocol::Resp2;
                client.name = None;
            }
            Request::Wrong(error) => answer::error(out, &error),
            Request::Hello(_) => answer::error(out, refuse::HELLO_NOAUTH),
            Request::Other => answer::error(out, refuse::NOAUTH),
        }
    }
}
