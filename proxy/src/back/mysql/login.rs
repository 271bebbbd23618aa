//! Logs in to a server as the account of the client that has proved itself.
//!
//! ```text
//! ◄ greeting
//! SSLRequest, TLS ─►            where the route asks for it
//! HandshakeResponse ─►          with the proof
//! ◄ AuthSwitchRequest           another nonce: the proof again
//! ◄ AuthMoreData 3              caching_sha2_password: the server remembers the password
//! ◄ AuthMoreData 4              it does not: inside TLS the password, else 2, its key, and
//!                               the password sealed with that
//! ◄ OK                          then we ask for the session's character sets
//! ```
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>

use std::sync::Arc;

use tenantsdb_codecs::feed::route::{Server, ServerTls};
use tenantsdb_codecs::limits::LOGIN_BODY_BYTES_MAX;
use tenantsdb_codecs::mysql::auth::{self, Request, encode_response, native, sha2};
use tenantsdb_codecs::mysql::flags::Capabilities;
use tenantsdb_codecs::mysql::report::Report;
use tenantsdb_codecs::mysql::startup::{
    Attributes, Greeting, HandshakeResponse, Nonce, SslRequest,
};
use tenantsdb_codecs::secret::Secret;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::secret::{Known, Proof};
use super::{Connection, Error, ServerSession};
use crate::auth::rsa;
use crate::back::dial::connect;
use crate::inbox::Inbox;
use crate::stream::Stream;
use crate::tls::dial::{DialError, Dialer};

/// What every session needs, whatever was agreed with its client.
const NEEDED: Capabilities = Capabilities::PROTOCOL_41
    .union(Capabilities::SECURE_CONNECTION)
    .union(Capabilities::PLUGIN_AUTH)
    .union(Capabilities::CONNECT_WITH_DB);

/// Longest packet that we announce to take, in bytes: the protocol's longest.
const PACKET_BYTES_MAX: u32 = 1 << 24;

/// Who logs in, and what for.
#[derive(Clone, Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) server: &'a Server,
    pub(crate) database: &'a str,
    /// The account's name on the server.
    pub(crate) user: &'a str,
    /// What was agreed with the client.
    pub(crate) capabilities: Capabilities,
    pub(crate) collation: u8,
    pub(crate) known: &'a Arc<Known>,
}

/// How far a login got.
pub(crate) enum Step {
    Done(Box<Connection>),
    /// The server wants the password itself.
    Password(Box<Pending>),
}

/// A login that waits for the password.
pub(crate) struct Pending {
    login: Login,
    nonce: Nonce,
    session: ServerSession,
}

/// A login under way.
struct Login {
    stream: Stream<TcpStream>,
    inbox: Inbox,
    /// Of the next packet that we send.
    sequence: u8,
}

/// Dials and logs in, up to where the password itself is needed. Not cancel safe: dropped before it
/// is done, the connection is closed. The deadline is the caller's.
pub(crate) async fn begin(identity: &Identity<'_>, dialer: &Dialer) -> Result<Step, Error> {
    let tcp = connect(&identity.server.addr).await;
    let mut login = Login {
        stream: Stream::Plain(tcp.map_err(Error::Connect)?),
        inbox: Inbox::default(),
        sequence: 0,
    };
    let greeting = login.greeting(identity).await?;
    let mut login = login.encrypt(identity, dialer).await?;
    login.respond(identity, &greeting).await?;
    let session = ServerSession {
        thread: greeting.thread,
        capabilities: identity.capabilities,
        database: identity.database.into(),
        charsets: super::Charsets::default(),
        known: Arc::clone(identity.known),
    };
    login.authenticate(identity, greeting.nonce, session).await
}

/// Ends another session of the same account. Not cancel safe. The deadline is the caller's.
pub(crate) async fn kill(
    identity: &Identity<'_>,
    dialer: &Dialer,
    thread: u32,
) -> Result<(), Error> {
    let mut connection = match begin(identity, dialer).await? {
        Step::Done(connection) => *connection,
        Step::Password(pending) => {
            let password = identity.known.password().ok_or(Error::PasswordUnknown)?;
            pending.finish(password).await?
        }
    };
    connection.run(&format!("KILL {thread}")).await
}

/// What is used of a greeting.
struct Greeted {
    thread: u32,
    nonce: Nonce,
}

// === impl Login ===

impl Login {
    async fn greeting(&mut self, identity: &Identity<'_>) -> Result<Greeted, Error> {
        let body = self.packet().await?;
        if Report::is(&body) {
            return Err(refused(&Report::decode(&body)?));
        }
        let greeting = Greeting::decode(&body)?;
        let mut needed = identity.capabilities.union(NEEDED);
        if identity.server.tls != ServerTls::Disable {
            needed = needed.union(Capabilities::SSL);
        }
        let lacks = needed.difference(greeting.capabilities);
        if lacks.contains(Capabilities::SSL) {
            return Err(DialError::NotOffered.into());
        }
        if lacks != Capabilities::NONE {
            return Err(Error::Lacks(lacks.0));
        }
        Ok(Greeted {
            thread: greeting.thread_id,
            nonce: greeting.nonce,
        })
    }

    async fn encrypt(mut self, identity: &Identity<'_>, dialer: &Dialer) -> Result<Self, Error> {
        let server = identity.server;
        if server.tls == ServerTls::Disable {
            return Ok(self);
        }
        let request = SslRequest {
            capabilities: capabilities(identity),
            packet_bytes_max: PACKET_BYTES_MAX,
            collation: identity.collation,
        };
        let mut out = Vec::new();
        request.encode(&mut self.sequence, &mut out);
        self.stream.write_all(&out).await?;
        if !self.inbox.unread().is_empty() {
            return Err(DialError::EarlyData.into());
        }
        let Stream::Plain(tcp) = self.stream else {
            return Err(Error::Closed);
        };
        let tls = dialer.protect(tcp, server.tls, &server.addr).await?;
        Ok(Self {
            stream: Stream::Tls(Box::new(tls.into())),
            ..self
        })
    }

    async fn respond(&mut self, identity: &Identity<'_>, greeted: &Greeted) -> Result<(), Error> {
        let proof = prove(&identity.known.proof, &greeted.nonce);
        let response = HandshakeResponse {
            capabilities: capabilities(identity),
            packet_bytes_max: PACKET_BYTES_MAX,
            collation: identity.collation,
            user: identity.user,
            auth: proof.expose(),
            database: Some(identity.database),
            plugin: Some(plugin(&identity.known.proof)),
            attributes: Attributes::default(),
            zstd_level: None,
        };
        let mut out = Vec::new();
        response.encode(&mut self.sequence, &mut out)?;
        self.send(&out).await
    }

    async fn authenticate(
        mut self,
        identity: &Identity<'_>,
        mut nonce: Nonce,
        session: ServerSession,
    ) -> Result<Step, Error> {
        let proof = &identity.known.proof;
        loop {
            let body = self.packet().await?;
            match auth::decode_request(&body)? {
                Request::Ok(_) => return self.settle(session).await.map(Step::done),
                Request::Switch(switch) => {
                    if switch.plugin != plugin(proof) {
                        return Err(Error::Method);
                    }
                    nonce = switch.nonce().ok_or(Error::Method)?;
                    let proof = prove(proof, &nonce);
                    self.send_body(proof.expose()).await?;
                }
                Request::More([sha2::FAST_OK]) => {}
                Request::More([sha2::FULL]) => {
                    return Ok(Step::Password(Box::new(Pending {
                        login: self,
                        nonce,
                        session,
                    })));
                }
                Request::More(_) => return Err(Error::Method),
                Request::Refused(report) => return Err(refused(&report)),
            }
        }
    }

    /// From the OK to the connection: nothing may be behind it.
    async fn settle(self, session: ServerSession) -> Result<Connection, Error> {
        if !self.inbox.unread().is_empty() {
            return Err(Error::Unexpected(0));
        }
        let mut connection = Connection {
            stream: self.stream,
            session,
        };
        connection.session.charsets = connection.read_charsets().await?;
        Ok(connection)
    }

    /// The next packet's body.
    async fn packet(&mut self) -> Result<Vec<u8>, Error> {
        let packet = self
            .inbox
            .packet(&mut self.stream, LOGIN_BODY_BYTES_MAX)
            .await?;
        self.sequence = packet.sequence.wrapping_add(1);
        Ok(packet.body.to_vec())
    }

    async fn send_body(&mut self, body: &[u8]) -> Result<(), Error> {
        let mut out = Vec::new();
        encode_response(body, &mut self.sequence, &mut out);
        let out = Secret::new(out);
        self.send(out.expose()).await
    }

    async fn send(&mut self, out: &[u8]) -> Result<(), Error> {
        self.stream.write_all(out).await?;
        self.stream.flush().await?;
        Ok(())
    }
}

// === impl Pending ===

impl Pending {
    /// Goes on with the password. Not cancel safe. The deadline is the caller's.
    pub(crate) async fn finish(self, password: &Secret<Vec<u8>>) -> Result<Connection, Error> {
        let Self {
            mut login,
            nonce,
            session,
        } = self;
        if matches!(login.stream, Stream::Tls(_)) {
            let mut cleartext = password.expose().clone();
            cleartext.push(0);
            let cleartext = Secret::new(cleartext);
            login.send_body(cleartext.expose()).await?;
        } else {
            login.send_body(&[sha2::KEY_REQUEST]).await?;
            let body = login.packet().await?;
            let key = match auth::decode_request(&body)? {
                Request::More(key) => key,
                Request::Refused(report) => return Err(refused(&report)),
                _ => return Err(Error::Key),
            };
            let obscured = sha2::obscure(password.expose(), &nonce);
            let sealed = rsa::seal(key, obscured.expose()).ok_or(Error::Key)?;
            login.send_body(&sealed).await?;
        }
        let body = login.packet().await?;
        match auth::decode_request(&body)? {
            Request::Ok(_) => login.settle(session).await,
            Request::Refused(report) => Err(refused(&report)),
            _ => Err(Error::Method),
        }
    }
}

// === impl Step ===

impl Step {
    fn done(connection: Connection) -> Self {
        Self::Done(Box::new(connection))
    }
}

fn capabilities(identity: &Identity<'_>) -> Capabilities {
    let all = identity.capabilities.union(NEEDED);
    match identity.server.tls {
        ServerTls::Disable => all,
        ServerTls::Require | ServerTls::VerifyFull => all.union(Capabilities::SSL),
    }
}

fn plugin(proof: &Proof) -> &'static str {
    match proof {
        Proof::Native(_) => auth::NATIVE_PASSWORD,
        Proof::Sha2(_) => auth::CACHING_SHA2_PASSWORD,
    }
}

fn prove(proof: &Proof, nonce: &Nonce) -> Secret<Vec<u8>> {
    Secret::new(match proof {
        Proof::Native(sha1) => native::prove(sha1, nonce).to_vec(),
        Proof::Sha2(hash) => sha2::prove(hash, nonce).to_vec(),
    })
}

/// The server's own error.
pub(super) fn refused(report: &Report<'_>) -> Error {
    Error::Refused {
        code: report.code,
        sqlstate: report.sqlstate,
        message: report.text().into(),
    }
}

#[cfg(test)]
mod tests;
