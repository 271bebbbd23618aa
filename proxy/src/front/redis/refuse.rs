//! Why a client gets no session, and how it is told: in Redis's own words where it has some.

use std::io;

use tenantsdb_codecs::redis::Error as ProtocolError;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{debug, info, warn};

use super::answer;
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
pub(crate) const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
/// A password alone does not say where its client wants to go.
pub(super) const NO_USER: &str =
    "WRONGPASS a password alone is not enough; name the database: AUTH <user> <password>";
/// A command of a client that is nobody.
pub(super) const NOAUTH: &str = "NOAUTH Authentication required.";
/// HELLO of a client that is nobody.
pub(super) const HELLO_NOAUTH: &str = "NOAUTH HELLO must be called with the client already \
     authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to \
     authenticate the client and select the RESP protocol version at the same time";
/// Clients look for these words.
const FULL: &str = "ERR max number of clients reached";

/// Why there is no server connection.
pub(crate) type CheckoutError = pool::Error<back::redis::Error>;

/// Why a client gets no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It went away.
    #[error("client is gone")]
    Gone(#[source] Option<io::Error>),
    /// It said goodbye before it said who it is.
    #[error("client said goodbye")]
    Quit,
    /// Not logged in by the deadline.
    #[error("login took too long")]
    TooSlow,
    /// Its bytes are not the protocol.
    #[error("Protocol error: {0}")]
    Protocol(#[from] ProtocolError),
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
    #[error("max number of clients reached ({0})")]
    Full(Full),
    /// No more clients for this database.
    #[error("max number of clients reached for database \"{database}\"")]
    DatabaseFull { database: Box<str> },
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

    /// The error for the client, without its minus. `None` where it cannot or need not be told.
    pub(crate) fn text(&self) -> Option<String> {
        Some(match self {
            Self::Gone(_) | Self::TooSlow | Self::Tls(_) | Self::UnexpectedTls => return None,
            Self::Quit => return None,
            Self::Protocol(_) | Self::Draining => format!("ERR {self}"),
            Self::Denied => WRONGPASS.to_owned(),
            Self::Suspended { .. } => format!("NOPERM {self}"),
            Self::Full(_) => FULL.to_owned(),
            Self::DatabaseFull { database } => format!("{FULL} for database '{database}'"),
            Self::Checkout { database, error } => checkout_text(database, error),
        })
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
            Self::Gone(_) | Self::Quit | Self::TooSlow => FaultKind::ClientGone,
            Self::Suspended { .. } | Self::Draining => FaultKind::Policy,
            Self::Full(_) | Self::DatabaseFull { .. } => FaultKind::Limit,
            Self::Checkout { error, .. } => error.kind(),
            Self::Protocol(_) | Self::Tls(_) | Self::UnexpectedTls | Self::Denied => {
                FaultKind::Client
            }
        }
    }
}

/// Why there is no server connection, for a client, without the minus. Nothing about addresses or
/// passwords: the client is told what concerns it, the log has the rest.
pub(crate) fn checkout_text(database: &str, error: &CheckoutError) -> String {
    let error = match error {
        pool::Error::NoPlace(NoPlace::Exhausted | NoPlace::QueueFull) => {
            return format!("{FULL}: {error} for database '{database}'");
        }
        pool::Error::Server(error) => error,
    };
    if error.is_login_refused() {
        return format!(
            "ERR the database server refused a login that the proxy accepted: its password or its \
             right to log in was changed on the server; \"tdb credentials rotate {database}\" \
             makes a new password"
        );
    }
    match error {
        // The server's own words: too many clients, loading, out of memory …
        back::redis::Error::Refused(text) => text.to_string(),
        error if error.kind() == FaultKind::ServerGone => {
            "ERR the database server cannot be reached".to_owned()
        }
        _ => "ERR the database server cannot be used".to_owned(),
    }
}

/// Counts and logs a refusal.
pub(crate) fn note(context: &Context, refusal: &Refusal) {
    let kind = refusal.kind();
    context.metrics.logins.increment(refusal.login());
    context.metrics.faults.increment(kind);
    match refusal {
        Refusal::Checkout {
            error: pool::Error::Server(_),
            ..
        } => warn!(fault = %kind, reason = %refusal, "client refused"),
        Refusal::Quit => debug!(fault = %kind, reason = %refusal, "client refused"),
        _ => info!(fault = %kind, reason = %refusal, "client refused"),
    }
}

/// Tells the client why, after what it is still owed, and closes.
pub(super) async fn tell<T>(mut client: Client<T>, refusal: &Refusal)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    match refusal.text() {
        Some(text) => answer::error(&mut client.out, &text),
        None if matches!(refusal, Refusal::Quit) => answer::ok(&mut client.out),
        None => {}
    }
    if !client.out.is_empty() {
        close_with(client.stream, &client.out).await;
    }
}
