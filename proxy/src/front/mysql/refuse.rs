//! Why a client gets no session, and how it is told: with MySQL's own numbers.

use std::io;
use std::net::IpAddr;

use tenantsdb_codecs::limits::MYSQL_LOGIN_BYTES_MAX;
use tenantsdb_codecs::mysql::code::{Code, SqlState};
use tenantsdb_codecs::mysql::report::Report;
use tenantsdb_codecs::mysql::{Error as ProtocolError, Flavour};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{info, warn};

use super::client::Client;
use crate::back;
use crate::context::Context;
use crate::fault::{Fault, FaultKind};
use crate::front::close_with;
use crate::limits::Full;
use crate::metrics::Login;
use crate::pool::{self, NoPlace};

/// `CR_CONN_HOST_ERROR`: what MySQL Router says too, and drivers take for a lost connection.
const CONNECT: Code = Code(2003);

/// Why there is no server connection.
pub(super) type CheckoutError = pool::Error<back::mysql::Error>;

/// Why a client gets no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// It went away.
    #[error("client is gone")]
    Gone(#[source] Option<io::Error>),
    /// Not logged in by the deadline.
    #[error("login took too long")]
    TooSlow,
    /// Its bytes are not the protocol.
    #[error("Bad handshake: {0}")]
    Protocol(#[from] ProtocolError),
    /// TLS failed.
    #[error("TLS handshake: {0}")]
    Tls(#[source] io::Error),
    /// TLS where it was not offered.
    #[error("TLS is not offered")]
    UnexpectedTls,
    /// TLS inside TLS.
    #[error("TLS was asked for twice")]
    SecondEncryption,
    /// A client from before 4.1, or without the plugin that this door needs.
    #[error(
        "Client does not support authentication protocol requested by server; consider upgrading \
         MySQL client"
    )]
    OldAuthentication,
    /// COM_CHANGE_USER of more than is taken.
    #[error("COM_CHANGE_USER: more than {MYSQL_LOGIN_BYTES_MAX} bytes")]
    ChangeUserTooLong,
    /// Wrong password, unknown user or unknown database.
    #[error("access denied for user '{user}'")]
    Denied { user: String, password: bool },
    /// The login has no password that could be said.
    #[error("the account does not use caching_sha2_password")]
    NotAsked,
    /// There is no key to seal a password with.
    #[error("the proxy has no RSA key; connect with TLS")]
    NoKey,
    /// What was to be a sealed password.
    #[error("Bad handshake: the password was not sealed with the key of this proxy")]
    NotSealed,
    /// The operator has closed the database.
    #[error("Access denied for user '{user}'. Database '{database}' is suspended.")]
    Suspended { user: String, database: Box<str> },
    /// The process is going down.
    #[error("Server shutdown in progress")]
    Draining,
    /// No more clients for this process, or this address.
    #[error("Too many connections ({0})")]
    Full(Full),
    /// No more clients for this database.
    #[error("Database '{database}' already has its maximum of client connections")]
    DatabaseFull { database: Box<str> },
    /// No server connection.
    #[error("{error}")]
    Checkout {
        database: String,
        error: CheckoutError,
    },
}

/// What is said.
struct Words {
    code: Code,
    sqlstate: SqlState,
    message: String,
}

// === impl Refusal ===

impl Refusal {
    /// Puts the ERR packet to what the client is to be sent. Answers whether there is one: it
    /// cannot or need not always be told.
    pub(super) fn push<T>(&self, client: &mut Client<T>, flavour: Flavour, peer: IpAddr) -> bool {
        let Some(words) = self.words(flavour, peer) else {
            return false;
        };
        let report = Report {
            code: words.code,
            sqlstate: words.sqlstate,
            message: words.message.as_bytes(),
        };
        report.encode(&mut client.sequence, &mut client.out);
        true
    }

    fn words(&self, flavour: Flavour, peer: IpAddr) -> Option<Words> {
        let code = match self {
            Self::Gone(_) | Self::TooSlow | Self::Tls(_) => return None,
            Self::Checkout { database, error } => return Some(checkout_words(database, error)),
            Self::Denied { user, password } => {
                return Some(Words::new(
                    Code::ACCESS_DENIED,
                    denied(user, peer, *password),
                ));
            }
            Self::Protocol(ProtocolError::Sequence { .. }) => Code::PACKETS_OUT_OF_ORDER,
            Self::Protocol(_)
            | Self::UnexpectedTls
            | Self::SecondEncryption
            | Self::ChangeUserTooLong
            | Self::NotAsked
            | Self::NotSealed => Code::BAD_HANDSHAKE,
            Self::NoKey => Code::UNKNOWN,
            Self::OldAuthentication => Code::AUTH_NOT_SUPPORTED,
            Self::Suspended { .. } => match flavour {
                Flavour::MySql => Code::ACCOUNT_LOCKED_MYSQL,
                Flavour::MariaDb => Code::ACCOUNT_LOCKED_MARIADB,
            },
            Self::Draining => Code::SERVER_SHUTDOWN,
            Self::Full(_) => Code::TOO_MANY_CONNECTIONS,
            Self::DatabaseFull { .. } => Code::TOO_MANY_USER_CONNECTIONS,
        };
        Some(Words::new(code, self.to_string()))
    }

    fn login(&self) -> Login {
        match self {
            Self::Denied { .. } => Login::Denied,
            Self::Suspended { .. }
            | Self::Draining
            | Self::Full(_)
            | Self::DatabaseFull { .. }
            | Self::Checkout { .. } => Login::Refused,
            _ => Login::Broken,
        }
    }
}

impl Fault for Refusal {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Gone(_) | Self::TooSlow => FaultKind::ClientGone,
            Self::Suspended { .. } | Self::Draining | Self::NoKey => FaultKind::Policy,
            Self::Full(_) | Self::DatabaseFull { .. } => FaultKind::Limit,
            Self::Checkout { error, .. } => error.kind(),
            Self::Protocol(_)
            | Self::Tls(_)
            | Self::UnexpectedTls
            | Self::SecondEncryption
            | Self::OldAuthentication
            | Self::ChangeUserTooLong
            | Self::NotAsked
            | Self::NotSealed
            | Self::Denied { .. } => FaultKind::Client,
        }
    }
}

impl Words {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            sqlstate: code.sqlstate(),
            message: message.into(),
        }
    }
}

/// In the server's own words (`ER_ACCESS_DENIED_ERROR`).
fn denied(user: &str, peer: IpAddr, password: bool) -> String {
    let using = if password { "YES" } else { "NO" };
    format!("Access denied for user '{user}'@'{peer}' (using password: {using})")
}

/// Nothing about addresses or keys: the client is told what concerns it, the log has the rest.
fn checkout_words(database: &str, error: &CheckoutError) -> Words {
    let error = match error {
        pool::Error::NoPlace(NoPlace::Exhausted | NoPlace::QueueFull) => {
            let message = format!("Too many connections: {error} for database '{database}'");
            return Words::new(Code::TOO_MANY_CONNECTIONS, message);
        }
        pool::Error::Server(error) => error,
    };
    if error.is_login_refused() {
        let message = format!(
            "Access denied: the database server refused a login that the proxy accepted. Its \
             password or its right to log in was changed on the server; \"tdb credentials rotate \
             {database}\" makes a new password"
        );
        return Words::new(Code::ACCESS_DENIED, message);
    }
    match error {
        // The server's own words: too many connections, no such database …
        back::mysql::Error::Refused {
            code,
            sqlstate,
            message,
        } => Words {
            code: *code,
            sqlstate: *sqlstate,
            message: message.to_string(),
        },
        back::mysql::Error::PasswordUnknown => {
            let message = format!("Too many connections: {error}; log in again");
            Words::new(Code::TOO_MANY_CONNECTIONS, message)
        }
        error => {
            let message = match error.kind() {
                FaultKind::ServerGone => "the database server cannot be reached",
                _ => "the database server cannot be used",
            };
            Words::new(CONNECT, message)
        }
    }
}

/// Counts and logs a refusal.
pub(super) fn note(context: &Context, refusal: &Refusal) {
    let kind = refusal.kind();
    context.metrics.logins.increment(refusal.login());
    context.metrics.faults.increment(kind);
    match refusal {
        Refusal::Checkout {
            error: pool::Error::Server(_),
            ..
        } => warn!(fault = %kind, reason = %refusal, "client refused"),
        _ => info!(fault = %kind, reason = %refusal, "client refused"),
    }
}

/// Tells the client why, after what it is still owed, and closes.
pub(super) async fn tell<T>(
    mut client: Client<T>,
    refusal: &Refusal,
    flavour: Flavour,
    peer: IpAddr,
) where
    T: AsyncRead + AsyncWrite + Unpin,
{
    if refusal.push(&mut client, flavour, peer) {
        close_with(client.stream, &client.out).await;
    }
}

#[cfg(test)]
mod tests;
