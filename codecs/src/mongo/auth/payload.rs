//! The message inside a SASL command.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::mongo::Error;
use crate::mongo::bson::{Value, Writer};

const FIELD: &str = "payload";

/// The subtype of binary values that are just bytes.
const GENERIC: u8 = 0;

/// A message as it stands in its command (`SaslPayload` in `src/mongo/db/auth/sasl_payload.h`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Payload<'i> {
    /// As drivers write it.
    Binary(&'i [u8]),
    /// As shells and scripts may.
    Base64(&'i str),
}

impl<'i> Payload<'i> {
    /// Reads the field.
    ///
    /// # Errors
    ///
    /// Neither bytes nor text, bytes that are something in particular, text that is not base64.
    pub(super) fn read(value: &Value<'i>) -> Result<Self, Error> {
        match *value {
            Value::Binary {
                subtype: GENERIC,
                bytes,
            } => Ok(Self::Binary(bytes)),
            Value::Binary { .. } => Err(Error::Invalid(FIELD)),
            Value::String(text) => match STANDARD.decode(text) {
                Ok(_) => Ok(Self::Base64(text)),
                Err(_) => Err(Error::Invalid(FIELD)),
            },
            _ => Err(Error::Type(FIELD)),
        }
    }

    /// The message.
    #[must_use]
    pub fn bytes(&self) -> Cow<'i, [u8]> {
        match *self {
            Self::Binary(bytes) => bytes.into(),
            // Text that is none was refused when it was read.
            Self::Base64(text) => STANDARD.decode(text).unwrap_or_default().into(),
        }
    }

    /// Whether it is text. The other side answers in the same form.
    #[must_use]
    pub const fn is_base64(&self) -> bool {
        matches!(self, Self::Base64(_))
    }

    pub(super) fn write(&self, command: &mut Writer) {
        match self {
            Self::Binary(bytes) => command.binary(FIELD, GENERIC, bytes),
            Self::Base64(text) => command.str(FIELD, text),
        };
    }
}

pub(super) fn encode(message: &[u8]) -> String {
    STANDARD.encode(message)
}

/// It may have a password in it, or what proves one.
impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Binary(_) => "Binary(..)",
            Self::Base64(_) => "Base64(..)",
        })
    }
}
