//! Errors that we send: the server's own words wherever it has some.

use std::borrow::Cow;

use super::Error;
use crate::limits::REDIS_REPORT_BYTES_MAX;

/// What an error begins with; programs look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// Any error without a word of its own.
    Err,
    /// Log in first.
    NoAuth,
    /// The login is refused.
    WrongPass,
    /// HELLO wants a version that is not spoken.
    NoProto,
    /// The user may not do that.
    NoPerm,
    /// EXEC without effect, because a command before it was refused.
    ExecAbort,
    /// Out of memory: the command would store more than is allowed.
    Oom,
    /// The server cannot be reached now.
    ClusterDown,
    /// There is no such script; send its text.
    NoScript,
    /// No script runs that could be killed.
    NotBusy,
    /// A name, a role or a state that does not fit; try again later.
    TryAgain,
}

impl Word {
    /// As it is sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Err => "ERR",
            Self::NoAuth => "NOAUTH",
            Self::WrongPass => "WRONGPASS",
            Self::NoProto => "NOPROTO",
            Self::NoPerm => "NOPERM",
            Self::ExecAbort => "EXECABORT",
            Self::Oom => "OOM",
            Self::ClusterDown => "CLUSTERDOWN",
            Self::NoScript => "NOSCRIPT",
            Self::NotBusy => "NOTBUSY",
            Self::TryAgain => "TRYAGAIN",
        }
    }
}

/// An error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// What programs look at.
    pub word: Word,
    /// What people read.
    pub message: Cow<'a, str>,
}

impl Report<'static> {
    /// Any command before the login (`authRequired` in `src/server.c`).
    pub const NOAUTH: Self = Self::constant(Word::NoAuth, "Authentication required.");

    /// HELLO before the login, without AUTH.
    pub const HELLO_NOAUTH: Self = Self::constant(
        Word::NoAuth,
        "HELLO must be called with the client already authenticated, otherwise the HELLO AUTH \
         <user> <pass> option can be used to authenticate the client and select the RESP protocol \
         version at the same time",
    );

    /// Wrong password, unknown user: which of them is not said.
    pub const WRONGPASS: Self = Self::constant(
        Word::WrongPass,
        "invalid username-password pair or user is disabled.",
    );

    /// HELLO with another version than 2 and 3.
    pub const NOPROTO: Self = Self::constant(Word::NoProto, "unsupported protocol version");

    /// EXEC behind a command that was refused.
    pub const EXECABORT: Self = Self::constant(
        Word::ExecAbort,
        "Transaction discarded because of previous errors.",
    );

    /// More clients than are allowed.
    pub const MAX_CLIENTS: Self = Self::constant(Word::Err, "max number of clients reached");

    /// Arguments that are none of the command's.
    pub const SYNTAX: Self = Self::constant(Word::Err, "syntax error");

    /// An argument that should be a number.
    pub const NOT_AN_INTEGER: Self =
        Self::constant(Word::Err, "value is not an integer or out of range");

    /// More memory than is allowed.
    pub const OOM: Self = Self::constant(
        Word::Oom,
        "command not allowed when used memory > 'maxmemory'.",
    );

    const fn constant(word: Word, message: &'static str) -> Self {
        Self {
            word,
            message: Cow::Borrowed(message),
        }
    }

    /// What a client sent that can never become a request. Nothing behind it can be understood: the
    /// connection ends.
    #[must_use]
    pub fn protocol(error: Error) -> Self {
        Self {
            word: Word::Err,
            message: format!("Protocol error: {error}").into(),
        }
    }

    /// A command with too few or too many arguments. `name` as the client wrote it.
    #[must_use]
    pub fn arity(name: &[u8]) -> Self {
        let name = String::from_utf8_lossy(name).to_lowercase();
        Self {
            word: Word::Err,
            message: format!("wrong number of arguments for '{name}' command").into(),
        }
    }
}

impl<'a> Report<'a> {
    /// An error with these words.
    #[must_use]
    pub fn new(word: Word, message: impl Into<Cow<'a, str>>) -> Self {
        Self {
            word,
            message: message.into(),
        }
    }

    /// Appends it as one line. Cannot fail: a refusal must always get out, so line ends become
    /// blanks, and a text beyond [`REDIS_REPORT_BYTES_MAX`] is cut.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let end = self.message.floor_char_boundary(REDIS_REPORT_BYTES_MAX);
        let message = self.message.get(..end).unwrap_or_default();
        out.push(b'-');
        out.extend_from_slice(self.word.as_str().as_bytes());
        out.push(b' ');
        out.extend(message.bytes().map(|byte| match byte {
            b'\r' | b'\n' => b' ',
            byte => byte,
        }));
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests;
