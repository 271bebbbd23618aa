//! Why a client gets no session, and how it is told.

use std::io;

use tenantsdb_codecs::postgres::report::{Report, Severity};
use tenantsdb_codecs::postgres::sqlstate::SqlState;
use tenantsdb_codecs::postgres::tag::ServerTag;
use tenantsdb_codecs::{postgres, scram};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{info, warn};

use super::client::Client;
use crate::back;
use crate::context::Context;
use crate::fault::{Fault, FaultKind};
use crate::front::close_with;
use crate::limits::Full;
use crate::metrics::Login;
use crate::pool;

/// Why there is no server connection.
pub(super) type CheckoutError = pool::Error<back::postgres::Error>;

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
    #[error(transparent)]
    Protocol(#[from] postgres::Error),
    /// TLS failed.
    #[error("TLS handshake: {0}")]
    Tls(#[source] io::Error),
    /// TLS where it has no place.
    #[error("TLS is not offered, or not here")]
    UnexpectedTls,
    /// A second request for encryption, or one inside TLS.
    #[error("encryption was asked for twice")]
    SecondEncryption,
    /// Plain bytes that would have been taken for protected ones.
    #[error("received unencrypted data behind an encryption request")]
    BytesBehindEncryptionRequest,
    /// A replication connection would be given everything that the server has.
    #[error("replication connections are not supported")]
    Replication,
    /// No user.
    #[error("no PostgreSQL user name specified in startup packet")]
    NoUser,
    /// Not the message that the login is waiting for.
    #[error("expected SASL response, got message type {:?}", char::from(*.0))]
    NotSasl(u8),
    /// The exchange is broken.
    #[error(transparent)]
    Scram(#[from] scram::Error),
    /// Wrong password, unknown user or unknown database.
    #[error("password authentication failed for user \"{user}\"")]
    Denied { user: String },
    /// The operator has closed the database.
    #[error("database \"{database}\" is suspended")]
    Suspended { database: Box<str> },
    /// The process is going down.
    #[error("the proxy is shutting down")]
    Draining,
    /// No more clients for this process, or this address.
    #[error("{0}")]
    Full(Full),
    /// No more clients for this database.
    #[error("too many connections for database \"{database}\"")]
    DatabaseFull { database: Box<str> },
    /// No server connection.
    #[error("{error}")]
    Checkout {
        database: String,
        error: CheckoutError,
    },
}

/// What is said beyond the error itself.
struct Words {
    sqlstate: SqlState,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
}

// === impl Refusal ===

impl Refusal {
    /// The ErrorResponse for the client; empty where it cannot or need not be told anything.
    fn encode(&self, out: &mut Vec<u8>) {
        if let Self::Checkout {
            error: pool::Error::Server(error),
            ..
        } = self
            && let back::postgres::Error::Refused(refused) = error
            && !error.is_login_refused()
            && let Ok(length) = u32::try_from(refused.body.len() + 4)
        {
            // The server's own words: too many connections, starting up, no such database …
            out.push(ServerTag::ERROR_RESPONSE.0);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&refused.body);
            return;
        }
        let Some(words) = self.words() else {
            return;
        };
        Report {
            severity: Severity::Fatal,
            sqlstate: words.sqlstate,
            message: &words.message,
            detail: words.detail.as_deref(),
            hint: words.hint.as_deref(),
        }
        .encode_error(out);
    }

    fn words(&self) -> Option<Words> {
        let sqlstate = match self {
            Self::Gone(_) | Self::TooSlow | Self::Tls(_) | Self::UnexpectedTls => return None,
            Self::Checkout { database, error } => return Some(checkout_words(database, error)),
            Self::Protocol(postgres::Error::Version { .. }) | Self::Replication => {
                SqlState::FEATURE_NOT_SUPPORTED
            }
            Self::Protocol(_)
            | Self::SecondEncryption
            | Self::BytesBehindEncryptionRequest
            | Self::NotSasl(_) => SqlState::PROTOCOL_VIOLATION,
            Self::NoUser | Self::Scram(scram::Error::ChannelBinding) => {
                SqlState::INVALID_AUTHORIZATION
            }
            Self::Scram(_) => SqlState::PROTOCOL_VIOLATION,
            Self::Denied { .. } => SqlState::INVALID_PASSWORD,
            Self::Suspended { .. } => SqlState::CANNOT_CONNECT_NOW,
            Self::Draining => SqlState::ADMIN_SHUTDOWN,
            Self::Full(_) | Self::DatabaseFull { .. } => SqlState::TOO_MANY_CONNECTIONS,
        };
        Some(Words::new(sqlstate, self.to_string()))
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
            Self::Suspended { .. } | Self::Draining | Self::Replication => FaultKind::Policy,
            Self::Full(_) | Self::DatabaseFull { .. } => FaultKind::Limit,
            Self::Checkout { error, .. } => error.kind(),
            Self::Protocol(_)
            | Self::Tls(_)
            | Self::UnexpectedTls
            | Self::SecondEncryption
            | Self::BytesBehindEncryptionRequest
            | Self::NoUser
            | Self::NotSasl(_)
            | Self::Scram(_)
            | Self::Denied { .. } => FaultKind::Client,
        }
    }
}

impl Words {
    fn new(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self {
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }
}

/// Nothing about addresses or keys: the client is told what concerns it, the log has the rest.
fn checkout_words(database: &str, error: &CheckoutError) -> Words {
    let error = match error {
        pool::Error::NoPlace(_) => {
            let mut words = Words::new(SqlState::TOO_MANY_CONNECTIONS, error.to_string());
            words.detail = Some(format!("All connections of \"{database}\" are in use."));
            return words;
        }
        pool::Error::Server(error) => error,
    };
    if error.is_login_refused() {
        let message = "the database server refused a login that the proxy accepted";
        let mut words = Words::new(SqlState::INVALID_AUTHORIZATION, message);
        words.detail = Some(format!("Reason: {error}."));
        words.hint = Some(format!(
            "Its password or its right to log in was changed on the server. Run \"tdb credentials \
             rotate {database}\" for a new password."
        ));
        return words;
    }
    let message = match error.kind() {
        FaultKind::ServerGone => "the database server cannot be reached",
        _ => "the database server cannot be used",
    };
    Words::new(SqlState::CONNECTION_FAILURE, message)
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
pub(super) async fn tell<T>(client: Client<T>, refusal: &Refusal)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let Client {
        stream, mut out, ..
    } = client;
    let owed = out.len();
    refusal.encode(&mut out);
    if out.len() > owed {
        close_with(stream, &out).await;
    }
}

#[cfg(test)]
mod tests;
