//! What can go wrong, in the words of the one who asked. Knows nothing of HTTP: `api::error` maps
//! each [`Code`] to a status once.
//!
//! An [`Error`] has two texts: what the caller may read and act on, and its source, for the log.

use std::error::Error as StdError;
use std::fmt;

use serde::Serialize;

/// The closed list of codes that callers may branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// There is no such thing.
    NotFound,
    /// It exists already, or its state does not allow this now.
    Conflict,
    /// A name breaks a rule of names.
    InvalidName,
    /// The body is not JSON.
    InvalidJson,
    /// The body or the query says something that is not understood or not possible.
    InvalidRequest,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// No key, or not a valid one.
    Unauthorized,
    /// The key may not do this.
    Forbidden,
    /// The resource has no such method.
    MethodNotAllowed,
    /// The body is longer than is read.
    PayloadTooLarge,
    /// The body did not arrive in time.
    RequestTimeout,
    /// Too much at once; the same request may succeed later.
    Unavailable,
    /// A database server cannot be reached now.
    ServerUnreachable,
    /// A database server answered with an error.
    ServerRefused,
    /// The version cannot be deployed.
    NotDeployable,
    /// The blueprint has no such version.
    UnknownVersion,
    /// No such database engine here.
    UnsupportedEngine,
    /// No server of the engine has room.
    NoServer,
    /// The idempotency key was used with another request.
    IdempotencyMismatch,
    /// The request with this idempotency key is still running.
    IdempotencyInProgress,
    /// Our fault; the log has the cause.
    Internal,
}

/// A failure with a text for the caller and, where there is one, a cause for the log.
#[derive(Debug)]
pub struct Error {
    code: Code,
    detail: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    not_ours: bool,
}

/// What functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

// === impl Error ===

impl Error {
    /// An error that says `detail` to the caller.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            hint: None,
            source: None,
            not_ours: false,
        }
    }

    /// `There is no <noun> "<name>"`.
    #[must_use]
    pub fn not_found(noun: &str, name: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no {noun} \"{name}\""))
    }

    /// It exists already, or its state does not allow this.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Code::Conflict, detail)
    }

    /// A request that is not understood.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, detail)
    }

    /// A failure of ours: the caller learns nothing but that, the log has `source`.
    #[must_use]
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            Code::Internal,
            "an internal error; the log of control has the cause",
        )
        .because(source)
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause, for the log.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether a server has something under the name that was asked for which is not ours: then
    /// nothing of that name may be dropped to clean up.
    pub(crate) fn is_not_ours(&self) -> bool {
        self.not_ours
    }

    /// What callers may branch on.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The text for the caller.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What the caller may do next.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| {
            let source: &(dyn StdError + 'static) = source;
            source
        })
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::internal(error)
    }
}

impl From<crate::provision::Error> for Error {
    fn from(error: crate::provision::Error) -> Self {
        use crate::provision::Error as Provision;
        let code = match &error {
            Provision::Unreachable { .. } => Code::ServerUnreachable,
            Provision::Refused(_) | Provision::Server { .. } => Code::ServerRefused,
            Provision::NotDeployable(_) | Provision::Replay { .. } => Code::NotDeployable,
            Provision::NoTemplate(_) => Code::Internal,
        };
        Self {
            not_ours: matches!(error, Provision::Refused(_)),
            ..Self::new(code, error.to_string())
        }
    }
}

impl From<tenantsdb_codecs::feed::id::NameError> for Error {
    fn from(error: tenantsdb_codecs::feed::id::NameError) -> Self {
        Self::new(Code::InvalidName, error.to_string())
    }
}

impl From<tenantsdb_codecs::feed::id::UnknownEngine> for Error {
    fn from(error: tenantsdb_codecs::feed::id::UnknownEngine) -> Self {
        let refused = Self::new(Code::UnsupportedEngine, error.to_string());
        match error.0.eq_ignore_ascii_case("mariadb") {
            true => refused.hint("MariaDB is the engine MySQL: the server says which of the two"),
            false => refused,
        }
    }
}
