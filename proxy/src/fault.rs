//! Who is at fault when a connection ends badly: one short list, used as log field and metric
//! label.

use std::fmt;

/// The party that a failure is put down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The client sent what its protocol does not allow, or could not prove who it is.
    Client,
    /// The client went away, or was silent past a deadline.
    ClientGone,
    /// A limit was reached; the same request may succeed later.
    Limit,
    /// The operator does not want it: suspended, draining, not allowed.
    Policy,
    /// The database server answered with an error, or not in its protocol.
    Server,
    /// The database server could not be reached, or went away.
    ServerGone,
    /// Control sent something unusable, or could not be reached.
    Control,
}

impl FaultKind {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Self; 7] = [
        Self::Client,
        Self::ClientGone,
        Self::Limit,
        Self::Policy,
        Self::Server,
        Self::ServerGone,
        Self::Control,
    ];

    /// The name in logs and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::ClientGone => "client_gone",
            Self::Limit => "limit",
            Self::Policy => "policy",
            Self::Server => "server",
            Self::ServerGone => "server_gone",
            Self::Control => "control",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// An error that knows who caused it.
pub trait Fault: std::error::Error {
    /// The party at fault.
    fn kind(&self) -> FaultKind;
}
