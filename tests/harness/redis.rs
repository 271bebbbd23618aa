//! Redis and Valkey: servers of the tests' own, and a client that sees every reply.
//!
//! A test is one function that takes a [`Flavour`] and runs on both. Neither may be missing.

pub mod cli;
pub mod login;
pub mod programs;
pub mod server;
pub mod session;
pub mod value;

pub use login::Login;
pub use server::Server;
pub use session::Session;
pub use value::Value;

/// Which of the two a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Redis 7.0 or later.
    Redis,
    /// Valkey.
    Valkey,
}

impl Flavour {
    /// `redis` or `valkey`: in names of programs, folders and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        }
    }
}

/// The version of the protocol that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// What a connection begins with.
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

impl Protocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Resp2, Self::Resp3];

    /// The argument of HELLO.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Self::Resp2 => "2",
            Self::Resp3 => "3",
        }
    }
}
