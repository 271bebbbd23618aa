//! A server connection for a client that has proved itself. With `caching_sha2_password` the two
//! logins interleave: a server that does not remember the account's password wants it said, and
//! only the client can say it.

use std::sync::Arc;

use tenantsdb_codecs::limits::AUTH_BODY_BYTES_MAX;
use tenantsdb_codecs::mysql::auth::{Verifier, encode_more_data, sha2};
use tenantsdb_codecs::mysql::flags::Capabilities;
use tenantsdb_codecs::secret::Secret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::client::Client;
use super::handshake::Startup;
use super::login::Proved;
use super::refuse::Refusal;
use super::session_capabilities;
use crate::back::mysql::login::{Identity, Step, begin};
use crate::back::mysql::secret::{Known, Proof};
use crate::back::mysql::{Connection, Error};
use crate::context::Context;
use crate::pool::key::Key;
use crate::pool::{self, Request};
use crate::stream::Stream;

/// Opens connections as the account that the client has proved to be.
pub(super) struct Opener<'a, T> {
    context: &'a Context,
    proved: &'a Proved,
    client: &'a mut Client<T>,
    capabilities: Capabilities,
    collation: u8,
    pub(super) key: Arc<Key>,
    known: Arc<Known>,
    /// Until when the client may take to say its password.
    deadline: Instant,
    /// It was asked for it, and has said it.
    pub(super) asked: bool,
}

/// Why there is no connection: the server, or the client that was asked.
pub(super) enum OpenError {
    Server(Error),
    Client(Refusal),
}

// === impl Opener ===

impl<'a, T: AsyncRead + AsyncWrite + Unpin> Opener<'a, T> {
    /// For a client that may be asked until `deadline`.
    pub(super) fn new(
        context: &'a Context,
        client: &'a mut Client<T>,
        proved: &'a Proved,
        startup: &Startup,
        deadline: Instant,
    ) -> Self {
        let route = &proved.route;
        let login = proved.login();
        let capabilities = session_capabilities(startup.capabilities, route.local_infile);
        let key = Arc::new(Key {
            server: Arc::clone(&route.server),
            database: route.database.clone(),
            user: login.server_user().into(),
            generation: login.generation,
            settings: [
                ("capabilities".to_owned(), format!("{:x}", capabilities.0)),
                ("collation".to_owned(), startup.collation.to_string()),
            ]
            .into(),
        });
        Self {
            known: context.secrets.learn(&key, proved.proof.clone()),
            context,
            proved,
            client,
            capabilities,
            collation: startup.collation,
            key,
            deadline,
            asked: false,
        }
    }

    /// The client's transport.
    pub(super) fn transport(&self) -> &T {
        self.client.stream.transport()
    }

    /// What the pool is asked for.
    pub(super) fn request(&self) -> Request {
        Request {
            key: Arc::clone(&self.key),
            connections_max: self.proved.route.limits.server_connections_max,
            deadline: Instant::now() + self.context.config.checkout_timeout,
        }
    }

    async fn log_in(&mut self, deadline: Instant) -> Result<Connection, OpenError> {
        let server = Arc::clone(&self.proved.route.server);
        let known = Arc::clone(&self.known);
        let database = self.proved.route.database.clone();
        let identity = Identity {
            server: &server,
            database: &database,
            user: self.proved.login().server_user(),
            capabilities: self.capabilities,
            collation: self.collation,
            known: &known,
        };
        let begun = timeout_at(deadline, begin(&identity, self.context.tls.dialer()));
        let pending = match begun.await.unwrap_or(Err(Error::TimedOut))? {
            Step::Done(connection) => return Ok(*connection),
            Step::Password(pending) => pending,
        };
        if known.password().is_none() {
            let asking = timeout_at(self.deadline, self.ask());
            let password = asking.await.unwrap_or(Err(Refusal::TooSlow));
            known.set_password(password.map_err(OpenError::Client)?);
            self.asked = true;
        }
        let password = known.password().ok_or(Error::PasswordUnknown)?;
        // The client may have taken its time; the server has its own.
        let deadline = Instant::now() + self.context.config.connect_timeout;
        let finished = timeout_at(deadline, pending.finish(password)).await;
        Ok(finished.unwrap_or(Err(Error::TimedOut))?)
    }

    /// Lets the client say its password: inside TLS as it is, else sealed with our key.
    async fn ask(&mut self) -> Result<Secret<Vec<u8>>, Refusal> {
        let Verifier::Sha2(stored) = &self.proved.verifier else {
            return Err(Refusal::NotAsked);
        };
        self.say(&[sha2::FULL]).await?;
        let protected = matches!(self.client.stream, Stream::Tls(_));
        let body = Secret::new(self.client.packet(AUTH_BODY_BYTES_MAX).await?);
        let password = if protected {
            let said = sha2::cleartext(body.expose()).ok_or(Refusal::NotSealed)?;
            Secret::new(said.to_vec())
        } else {
            self.unseal(body).await?
        };
        if sha2::check_password(stored, password.expose()).is_none() {
            return Err(Refusal::Denied {
                user: self.proved.login().user.to_string(),
                password: true,
            });
        }
        Ok(password)
    }

    async fn unseal(&mut self, mut body: Secret<Vec<u8>>) -> Result<Secret<Vec<u8>>, Refusal> {
        let key = self.context.rsa.key().await.ok_or(Refusal::NoKey)?;
        // A client that has the key already does not ask for it.
        if body.expose() == &[sha2::KEY_REQUEST] {
            self.say(key.public_pem().as_bytes()).await?;
            body = Secret::new(self.client.packet(AUTH_BODY_BYTES_MAX).await?);
        }
        let obscured = key.open(body).await.ok_or(Refusal::NotSealed)?;
        sha2::reveal(obscured.expose(), &self.proved.nonce).ok_or(Refusal::NotSealed)
    }

    async fn say(&mut self, data: &[u8]) -> Result<(), Refusal> {
        encode_more_data(data, &mut self.client.sequence, &mut self.client.out);
        self.client.send().await
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> pool::Opener for Opener<'_, T> {
    type Connection = Connection;
    type Error = OpenError;

    async fn open(&mut self, deadline: Instant) -> Result<Connection, OpenError> {
        self.log_in(deadline).await
    }

    fn is_server_full(error: &OpenError) -> bool {
        matches!(error, OpenError::Server(error) if error.is_server_full())
    }
}

/// Whether a client's login is answered with more than the OK: with `caching_sha2_password`, that
/// its proof was enough.
pub(super) const fn is_fast(proof: &Proof, asked: bool) -> bool {
    matches!(proof, Proof::Sha2(_)) && !asked
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}
