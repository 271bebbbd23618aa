//! What is wrong with a message, and in which field.

use super::code::Code;

/// Bytes that can never become a message or a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A message shorter than its header.
    #[error("message length {0} is less than a header's")]
    Length(i32),
    /// Longer than what is taken here.
    #[error("{field} of {bytes} bytes, at most {max} are taken")]
    TooLong {
        /// What is too long.
        field: &'static str,
        /// Bytes that it has, or says that it has.
        bytes: u64,
        /// Bytes that are taken.
        max: u64,
    },
    /// What this field is part of ends inside it.
    #[error("message ends inside the {0}")]
    Truncated(&'static str),
    /// The zero byte that ends this field is missing.
    #[error("{0} without its terminating zero byte")]
    Terminator(&'static str),
    /// There are bytes behind this field, which is the last.
    #[error("bytes behind the {0}")]
    Trailing(&'static str),
    /// This field is not UTF-8.
    #[error("{0} is not UTF-8")]
    Utf8(&'static str),
    /// This field is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// This field has another type than it must have.
    #[error("{0} has the wrong type")]
    Type(&'static str),
    /// This field has a value that it cannot have.
    #[error("invalid {0}")]
    Invalid(&'static str),
    /// Legal, or will be, and not spoken here.
    #[error("unsupported {0}")]
    Unsupported(&'static str),
    /// More of these than are taken.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// Documents inside documents, more than are taken.
    #[error("documents nested more than {0} deep")]
    Depth(usize),
    /// A sequence of the command names a collection of another database.
    #[error("not authorized on another database")]
    Namespace,
    /// What a client says of itself lacks this field.
    #[error("missing required field '{0}' in the client metadata document")]
    MetadataMissing(&'static str),
    /// What a client says of itself is longer than this.
    #[error("the client metadata document must be less than or equal to {0} bytes")]
    MetadataTooLong(usize),
    /// What its user calls a client is longer than this.
    #[error("'application.name' in the client metadata document must be at most {0} bytes")]
    ApplicationName(usize),
    /// A sequence of the command names the collection that says which version the schema has.
    #[error("not authorized on a collection that is kept by TenantsDB")]
    Marker,
    /// The checksum is not that of the message.
    #[error("OP_MSG checksum does not match contents")]
    Checksum,
}

impl Error {
    /// What the server calls it.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Length(_) | Self::Trailing(_) => Code::ProtocolError,
            Self::TooLong { .. } => Code::BsonObjectTooLarge,
            Self::Truncated(_) | Self::Terminator(_) | Self::Utf8(_) => Code::InvalidBson,
            Self::Missing(_) | Self::Invalid(_) => Code::BadValue,
            Self::Type(_) => Code::TypeMismatch,
            Self::Unsupported(_) => Code::IllegalOpMsgFlag,
            Self::TooMany(_) => Code::TooManyDocumentSequences,
            Self::Depth(_) => Code::Overflow,
            Self::MetadataMissing(_) => Code::ClientMetadataMissingField,
            Self::MetadataTooLong(_) => Code::ClientMetadataDocumentTooLarge,
            Self::ApplicationName(_) => Code::ClientMetadataAppNameTooLarge,
            Self::Namespace | Self::Marker => Code::Unauthorized,
            Self::Checksum => Code::ChecksumMismatch,
        }
    }
}
