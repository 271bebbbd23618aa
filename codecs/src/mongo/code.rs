//! Numbers and names of errors: `src/mongo/base/error_codes.yml` of the server.
//!
//! <https://www.mongodb.com/docs/manual/reference/error-codes/>

use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal, $name:literal;)+) => {
        /// An error that the proxy itself answers with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum Code {
            $($(#[doc = $doc])+ $variant = $number,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// What programs look at.
            #[must_use]
            pub const fn number(self) -> i32 {
                self as i32
            }

            /// What people look at: `codeName`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

codes! {
    /// Nothing of ours should end in this.
    InternalError = 1, "InternalError";
    /// A field has a value that it cannot have.
    BadValue = 2, "BadValue";
    /// The server behind cannot be reached. Drivers try again.
    HostUnreachable = 6, "HostUnreachable";
    /// The name of the server behind has no address. Drivers try again.
    HostNotFound = 7, "HostNotFound";
    /// What was sent cannot be read.
    FailedToParse = 9, "FailedToParse";
    /// No such user.
    UserNotFound = 11, "UserNotFound";
    /// Not allowed, or not before a login.
    Unauthorized = 13, "Unauthorized";
    /// A field has another type than it must have.
    TypeMismatch = 14, "TypeMismatch";
    /// Nested too deep.
    Overflow = 15, "Overflow";
    /// A length that cannot be one.
    InvalidLength = 16, "InvalidLength";
    /// Messages out of order.
    ProtocolError = 17, "ProtocolError";
    /// Wrong password, or no such user.
    AuthenticationFailed = 18, "AuthenticationFailed";
    /// Not possible here.
    IllegalOperation = 20, "IllegalOperation";
    /// A document that cannot be read.
    InvalidBson = 22, "InvalidBSON";
    /// No such collection.
    NamespaceNotFound = 26, "NamespaceNotFound";
    /// No such index.
    IndexNotFound = 27, "IndexNotFound";
    /// No such role.
    RoleNotFound = 31, "RoleNotFound";
    /// No such cursor, or it belongs to somebody else.
    CursorNotFound = 43, "CursorNotFound";
    /// The collection exists already.
    NamespaceExists = 48, "NamespaceExists";
    /// Took longer than `maxTimeMS`.
    MaxTimeMsExpired = 50, "MaxTimeMSExpired";
    /// No such command.
    CommandNotFound = 59, "CommandNotFound";
    /// Options that do not go together.
    InvalidOptions = 72, "InvalidOptions";
    /// A name that no collection can have.
    InvalidNamespace = 73, "InvalidNamespace";
    /// An index with this name or key and other options exists.
    IndexOptionsConflict = 85, "IndexOptionsConflict";
    /// An index with this name and another key exists.
    IndexKeySpecsConflict = 86, "IndexKeySpecsConflict";
    /// The server behind does not answer in time. Drivers try again.
    NetworkTimeout = 89, "NetworkTimeout";
    /// Going away. Drivers try again, elsewhere.
    ShutdownInProgress = 91, "ShutdownInProgress";
    /// Two transactions wrote the same.
    WriteConflict = 112, "WriteConflict";
    /// Known, and not here.
    CommandNotSupported = 115, "CommandNotSupported";
    /// It did not work.
    CommandFailed = 125, "CommandFailed";
    /// More memory than is given.
    ExceededMemoryLimit = 146, "ExceededMemoryLimit";
    /// hello with a `client` that lacks what it must have.
    ClientMetadataMissingField = 183, "ClientMetadataMissingField";
    /// hello with an `application.name` that is too long.
    ClientMetadataAppNameTooLarge = 184, "ClientMetadataAppNameTooLarge";
    /// hello with a `client` that is too long.
    ClientMetadataDocumentTooLarge = 185, "ClientMetadataDocumentTooLarge";
    /// hello with a second `client`.
    ClientMetadataCannotBeMutated = 186, "ClientMetadataCannotBeMutated";
    /// A server behind did not take the connection in time. Drivers try again.
    NetworkInterfaceExceededTimeLimit = 202, "NetworkInterfaceExceededTimeLimit";
    /// No such session.
    NoSuchSession = 206, "NoSuchSession";
    /// A flag of OP_MSG that must be known and is not.
    IllegalOpMsgFlag = 223, "IllegalOpMsgFlag";
    /// More sequences in a message than are taken.
    TooManyDocumentSequences = 233, "TooManyDocumentSequences";
    /// Not done.
    NotImplemented = 238, "NotImplemented";
    /// The transaction is over, or never was. Drivers begin it again.
    NoSuchTransaction = 251, "NoSuchTransaction";
    /// Took too long. Drivers try again.
    ExceededTimeLimit = 262, "ExceededTimeLimit";
    /// Not inside a transaction.
    OperationNotSupportedInTransaction = 263, "OperationNotSupportedInTransaction";
    /// The checksum is not that of the message.
    ChecksumMismatch = 288, "ChecksumMismatch";
    /// A mechanism of authentication that is not offered.
    MechanismUnavailable = 334, "MechanismUnavailable";
    /// OP_QUERY for anything but a first hello.
    UnsupportedOpQueryCommand = 352, "UnsupportedOpQueryCommand";
    /// `loadBalanced` where it cannot be.
    LoadBalancerSupportMismatch = 354, "LoadBalancerSupportMismatch";
    /// More of something than there is. Drivers try again.
    ResourceExhausted = 402, "ResourceExhausted";
    /// No server connection became free in time. Drivers try again.
    PooledConnectionAcquisitionExceededTimeLimit = 407,
        "PooledConnectionAcquisitionExceededTimeLimit";
    /// Not the primary any more. Drivers look for it and try again.
    NotWritablePrimary = 10107, "NotWritablePrimary";
    /// A document longer than 16 MiB.
    BsonObjectTooLarge = 10334, "BSONObjectTooLarge";
    /// The server was shut down while it worked on it. Drivers try again.
    InterruptedAtShutdown = 11600, "InterruptedAtShutdown";
    /// Killed.
    Interrupted = 11601, "Interrupted";
    /// The primary changed while the server worked on it. Drivers try again.
    InterruptedDueToReplStateChange = 11602, "InterruptedDueToReplStateChange";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_own_number_and_name() {
        for (place, code) in Code::ALL.iter().enumerate() {
            let others = &Code::ALL[place + 1..];
            assert!(others.iter().all(|other| other.number() != code.number()));
            assert!(others.iter().all(|other| other.name() != code.name()));
        }
        assert_eq!(Code::InvalidBson.to_string(), "InvalidBSON (22)");
    }
}
