//! Why a client gets no session, and how it is told: in MongoDB's own words where it has some.

use std::io;

use tenantsdb_codecs::mongo::Error as ProtocolError;
use tenantsdb_codecs::mongo::code::Code;
use tenantsdb_codecs::mongo::report::report;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{debug, info, warn};

use super::client::Client;
use super::login::Proved;
use crate::back;
use crate::context::Context;
use crate::fault::{Fault, FaultKind};
use crate::front::close_with;
use crate::limits::Full;
use crate::metrics::Login;
use crate::pool::{self, NoPlace};

/// Wrong password, or no such user.
pub(super) const DENIED: &str = "Authentication failed.";

/// Why there is no server connection.
pub(crate) type CheckoutError = pool::Error<back::mongo::Error>;

/// Why a client gets no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It went away.
    #[error("client is gone")]
    Gone(#[source] Option<io::Error>),
    /// A driver's monitor went away.
    #[error("monitor is gone")]
    Goodbye,
    /// Not logged in by the deadline, or silent for too long.
    #[error("login took too long")]
    TooSlow,
    /// Its bytes are not the protocol.
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
    /// OP_COMPRESSED, which was not offered.
    #[error("compressed messages are not taken: no compression was agreed on in hello")]
    Compressed,
    /// TLS failed.
    #[error("TLS handshake: {0}")]
    Tls(#[source] io::Error),
    /// TLS where it is not offered.
    #[error("TLS is not offered")]
    UnexpectedTls,
    /// Wrong password, or unknown user.
    #[error("wrong password or unknown user")]
    Denied,
    /// The operator has closed the database.
    #[error("database \"{database}\" is suspended")]
    Suspended { database: Box<str> },
    /// The process is going down.
    #[error("the proxy is shutting down")]
    Draining,
    /// No more clients for this process, or this address.
    #[error("too many connections: {0}")]
    Full(Full),
    /// No more clients for this database.
    #[error("too many connections for database \"{database}\"")]
    DatabaseFull { database: Box<str> },
    /// No memory to hold the request in.
    #[error(
        "too many long requests at once: no room for {bytes} bytes; send what it writes in \
         smaller batches"
    )]
    NoRoom { bytes: usize },
    /// No server connection.
    #[error("{error}")]
    Checkout {
        database: Box<str>,
        error: CheckoutError,
    },
}

// === impl Refusal ===

impl Refusal {
    /// No server connection for this client.
    pub(crate) fn checkout(proved: &Proved, error: CheckoutError) -> Self {
        Self::Checkout {
            database: proved.route.database.clone(),
            error,
        }
    }

    /// What the client is told, if it is there to be told.
    pub(crate) fn document(&self) -> Option<Vec<u8>> {
        let code = match self {
            Self::Gone(_) | Self::Goodbye | Self::TooSlow | Self::Tls(_) | Self::UnexpectedTls => {
                return None;
            }
            Self::Protocol(error) => error.code(),
            Self::Compressed => Code::ProtocolError,
            Self::Denied => return Some(report(Code::AuthenticationFailed, DENIED, &[])),
            Self::Suspended { .. } => Code::Unauthorized,
            // Drivers look for another server then, or wait.
            Self::Draining => Code::ShutdownInProgress,
            Self::Full(_) | Self::DatabaseFull { .. } | Self::NoRoom { .. } => {
                Code::ResourceExhausted
            }
            Self::Checkout { database, error } => {
                let (code, text) = checkout_text(database, error);
                return Some(report(code, &text, &[]));
            }
        };
        Some(report(code, &self.to_string(), &[]))
    }

    fn login(&self) -> Login {
        match self {
            Self::Denied => Login::Denied,
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
            Self::Gone(_) | Self::Goodbye | Self::TooSlow => FaultKind::ClientGone,
            Self::Suspended { .. } | Self::Draining => FaultKind::Policy,
            Self::Full(_) | Self::DatabaseFull { .. } | Self::NoRoom { .. } => FaultKind::Limit,
            Self::Checkout { error, .. } => error.kind(),
            Self::Protocol(_)
            | Self::Compressed
            | Self::Tls(_)
            | Self::UnexpectedTls
            | Self::Denied => FaultKind::Client,
        }
    }
}

/// Why there is no server connection, for a client. Nothing about addresses or passwords: the
/// client is told what concerns it, the log has the rest.
pub(crate) fn checkout_text(database: &str, error: &CheckoutError) -> (Code, String) {
    let error = match error {
        pool::Error::NoPlace(NoPlace::Exhausted | NoPlace::QueueFull) => {
            let text = format!("too many connections: {error} for database \"{database}\"");
            return (Code::PooledConnectionAcquisitionExceededTimeLimit, text);
        }
        pool::Error::Server(error) => error,
    };
    if error.is_login_refused() {
        let text = format!(
            "the database server refused a login that the proxy accepted: its password or its \
             right to log in was changed on the server; \"tdb credentials rotate {database}\" \
             makes a new password"
        );
        return (Code::AuthenticationFailed, text);
    }
    // Drivers take it for a network error and may try again.
    let text = match error.kind() {
        FaultKind::ServerGone => "the database server cannot be reached",
        _ => "the database server cannot be used",
    };
    (Code::HostUnreachable, text.to_owned())
}

/// Counts and logs a refusal.
pub(crate) fn note(context: &Context, refusal: &Refusal) {
    if matches!(refusal, Refusal::Goodbye) {
        debug!("monitor is gone");
        return;
    }
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

/// Tells the client why, as the answer to what it asked, and closes.
pub(super) async fn tell<T>(mut client: Client<T>, refusal: &Refusal)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    if let Some(document) = refusal.document() {
        client.reply(&document);
    }
    if !client.out.is_empty() {
        close_with(client.stream, &client.out).await;
    }
}
