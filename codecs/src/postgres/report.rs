//! ErrorResponse and NoticeResponse: fields, each a byte and a text.
//!
//! <https://www.postgresql.org/docs/current/protocol-error-fields.html>

use super::Error;
use super::patch::Message;
use super::sqlstate::SqlState;
use super::tag::ServerTag;
use crate::cursor::Cursor;
use crate::limits::REPORT_FIELD_BYTES_MAX;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The session ends.
    Fatal,
    /// Something to know.
    Notice,
    /// Something that is probably wrong.
    Warning,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
        }
    }
}

/// An error or notice that we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// How bad it is.
    pub severity: Severity,
    /// What programs look at.
    pub sqlstate: SqlState,
    /// What people read: one line, lower case, no full stop.
    pub message: &'a str,
    /// More about it, as sentences.
    pub detail: Option<&'a str>,
    /// What to do about it, as sentences.
    pub hint: Option<&'a str>,
}

impl Report<'_> {
    /// Appends it as an ErrorResponse. Cannot fail: a refusal must always get out, so a text is cut
    /// at a zero byte and at [`REPORT_FIELD_BYTES_MAX`] instead.
    pub fn encode_error(&self, out: &mut Vec<u8>) {
        self.encode(ServerTag::ERROR_RESPONSE, out);
    }

    /// Appends it as a NoticeResponse, cut like an error.
    pub fn encode_notice(&self, out: &mut Vec<u8>) {
        self.encode(ServerTag::NOTICE_RESPONSE, out);
    }

    fn encode(&self, tag: ServerTag, out: &mut Vec<u8>) {
        let mut message = Message::tagged(tag.0, out);
        let fields = [
            (b'S', Some(self.severity.as_str())),
            (b'V', Some(self.severity.as_str())),
            (b'C', Some(self.sqlstate.as_str())),
            (b'M', Some(self.message)),
            (b'D', self.detail),
            (b'H', self.hint),
        ];
        for (code, text) in fields {
            if let Some(text) = text {
                message.u8(code);
                message.bytes(cut(text).as_bytes());
                message.u8(0);
            }
        }
        message.u8(0);
        let written = message.finish();
        debug_assert!(written.is_ok(), "six bounded fields fit");
    }
}

fn cut(text: &str) -> &str {
    let text = text.split('\0').next().unwrap_or_default();
    let end = text.floor_char_boundary(REPORT_FIELD_BYTES_MAX);
    text.get(..end).unwrap_or_default()
}

/// The fields of an ErrorResponse or NoticeResponse that a server sent. Servers differ in what they
/// send, and a hostile one may leave out what the protocol demands: every field may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'a> {
    body: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Looks at the body of an ErrorResponse or NoticeResponse.
    #[must_use]
    pub const fn new(body: &'a [u8]) -> Self {
        Self { body }
    }

    /// The fields in order, up to the end or to the first that is cut short.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut cursor = Cursor::new(self.body);
        std::iter::from_fn(move || {
            let code = cursor.u8().filter(|code| *code != 0)?;
            Some((code, cursor.c_string()?))
        })
    }

    /// The field with this code as it was sent.
    #[must_use]
    pub fn raw(&self, code: u8) -> Option<&'a [u8]> {
        self.iter()
            .find(|(other, _)| *other == code)
            .map(|(_, text)| text)
    }

    /// The field with this code, if there is one and it is UTF-8. Before the session's encoding is
    /// set, messages come in the server's.
    #[must_use]
    pub fn get(&self, code: u8) -> Option<&'a str> {
        std::str::from_utf8(self.raw(code)?).ok()
    }

    /// Field `M`.
    #[must_use]
    pub fn message(&self) -> Option<&'a str> {
        self.get(b'M')
    }

    /// Field `C`.
    #[must_use]
    pub fn sqlstate(&self) -> Option<SqlState> {
        SqlState::parse(self.get(b'C')?)
    }

    /// Whether the session ends with it: severity FATAL or PANIC. Field `V` has it untranslated,
    /// and is missing before PostgreSQL 9.6.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        let severity = self.get(b'V').or_else(|| self.get(b'S'));
        matches!(severity, Some("FATAL" | "PANIC"))
    }

    /// Checks the layout: fields, then one zero byte as the last.
    ///
    /// # Errors
    ///
    /// Another layout.
    pub fn check(&self) -> Result<(), Error> {
        let mut cursor = Cursor::new(self.body);
        loop {
            match cursor.u8() {
                None => return Err(Error::Terminator("report")),
                Some(0) if cursor.is_empty() => return Ok(()),
                Some(0) => return Err(Error::Trailing("report")),
                Some(_) => cursor.c_string().ok_or(Error::Terminator("report field"))?,
            };
        }
    }
}

#[cfg(test)]
mod tests;
