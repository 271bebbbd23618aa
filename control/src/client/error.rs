//! What can go wrong with a call: the service cannot be reached, says no, or says what nobody
//! understands.

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

/// Longest part of an answer that is no problem document to show, in characters.
const EXCERPT_CHARS_MAX: usize = 200;

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client cannot even be made: a URL or a key that is none.
    #[error("{text}")]
    Settings {
        /// What is wrong with it.
        text: String,
        /// What the HTTP library says.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// What was asked for cannot be the name or id of anything.
    #[error("\"{name}\" is no name")]
    Name {
        /// What was given.
        name: String,
    },
    /// No connection, no answer in time, or an answer that broke off.
    #[error("{}", unreachable_text(url, source))]
    Unreachable {
        /// The address that was tried.
        url: String,
        /// What the HTTP library says.
        #[source]
        source: reqwest::Error,
    },
    /// The service says no, and why.
    #[error("{}", .0.text())]
    Problem(Box<Problem>),
    /// A refusal that is not the service's own: a gateway in between, or another service.
    #[error("answer {status} from something that is not TenantsDB control: {text}")]
    Status {
        /// HTTP status.
        status: u16,
        /// The start of the body.
        text: String,
    },
    /// A success whose body this version does not understand.
    #[error("cannot read the answer to /v1/{path}: {text}")]
    Answer {
        /// What was asked for.
        path: String,
        /// What is wrong with the body.
        text: String,
    },
}

/// An RFC 9457 problem document.
#[derive(Clone, Debug, Deserialize)]
pub struct Problem {
    /// HTTP status.
    #[serde(default)]
    pub status: u16,
    /// Stable word for programs: `not_found`, `conflict`, `invalid_name` …
    pub code: String,
    /// What kind of problem it is.
    #[serde(default)]
    pub title: String,
    /// What is wrong in this case.
    #[serde(default)]
    pub detail: Option<String>,
    /// What to do about it.
    #[serde(default)]
    pub hint: Option<String>,
    /// The document as it came.
    #[serde(skip)]
    pub body: Value,
}

// === impl Error ===

impl Error {
    pub(super) fn settings(text: impl Into<String>) -> Self {
        Self::Settings {
            text: text.into(),
            source: None,
        }
    }

    pub(super) fn answer(path: &[&str], text: &str) -> Self {
        Self::Answer {
            path: path.join("/"),
            text: text.to_owned(),
        }
    }

    /// The problem's stable code, if the service gave one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.code),
            _ => None,
        }
    }

    /// Whether the service could not be spoken to at all: it may be back in a moment.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Status { status, .. } => matches!(status, 502..=504),
            _ => false,
        }
    }

    /// Whether trying again can help and cannot do harm.
    ///
    /// A request that may have arrived is sent again only if that changes nothing: reads, and
    /// `POST`s, whose idempotency key the service knows. A problem of the service itself is its
    /// answer, except that the first try may still be running.
    pub(super) fn may_retry(&self, method: &Method, tried: u32) -> bool {
        match self {
            Self::Unreachable { source, .. } => {
                source.is_connect() || (!source.is_timeout() && method != Method::DELETE)
            }
            Self::Status { status, .. } => matches!(status, 502 | 503),
            Self::Problem(problem) => tried > 0 && problem.code == "idempotency_in_progress",
            Self::Settings { .. } | Self::Name { .. } | Self::Answer { .. } => false,
        }
    }
}

fn unreachable_text(url: &str, error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("control at {url} does not answer in time");
    }
    // The library's own text is "error sending request"; what happened is at the end of the chain.
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    format!("cannot reach control at {url}: {cause}")
}

// === impl Problem ===

impl Problem {
    /// Reads a body; `None` if it is no problem document with a code.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let mut problem = Self::deserialize(&body).ok()?;
        problem.body = body;
        Some(problem)
    }

    /// The most that it says about this case.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.detail {
            Some(detail) if !detail.is_empty() => detail,
            _ if !self.title.is_empty() => &self.title,
            _ => &self.code,
        }
    }
}

pub(super) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None if words.is_empty() => "(empty)".to_owned(),
        None => words,
    }
}
