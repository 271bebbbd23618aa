//! Replies that say what went wrong, and the one that says that it went well.
//!
//! <https://www.mongodb.com/docs/manual/reference/command-nav-crud/#response>, and the
//! specification "Retryable Writes" for the labels.

use super::Error;
use super::bson::{Document, Value, Writer};
use super::code::Code;
use crate::limits::MONGO_REPORT_BYTES_MAX;

/// Says to drivers that the write may be tried again.
pub const RETRYABLE_WRITE: &str = "RetryableWriteError";
/// Says to drivers that the transaction may be begun again.
pub const TRANSIENT_TRANSACTION: &str = "TransientTransactionError";
/// Says to drivers that the commit may be tried again.
pub const UNKNOWN_COMMIT: &str = "UnknownTransactionCommitResult";

/// Says to drivers that the change stream may be opened again where it was.
pub const RESUMABLE_CHANGE_STREAM: &str = "ResumableChangeStreamError";

/// The reply `{ok: 0, errmsg, code, codeName}` with its labels. The text is cut off at
/// [`MONGO_REPORT_BYTES_MAX`].
#[must_use]
pub fn report(code: Code, text: &str, labels: &[&str]) -> Vec<u8> {
    let text = text.get(..text.floor_char_boundary(MONGO_REPORT_BYTES_MAX));
    let mut reply = Writer::new();
    if !labels.is_empty() {
        reply.array("errorLabels", |array| {
            for label in labels {
                array.str(label);
            }
        });
    }
    reply
        .f64("ok", 0.0)
        .str("errmsg", text.unwrap_or_default())
        .i32("code", code.number())
        .str("codeName", code.name());
    reply.finish()
}

/// The reply `{ok: 1}`.
#[must_use]
pub fn ok() -> Vec<u8> {
    let mut reply = Writer::new();
    reply.f64("ok", 1.0);
    reply.finish()
}

/// What a reply says of its command. Errors of single writes (`writeErrors`) are none of these:
/// such a reply says `ok: 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'i> {
    /// 0 where the server gives none.
    pub code: i64,
    /// Empty where the server gives none.
    pub code_name: &'i str,
    /// For people.
    pub message: &'i str,
}

impl<'i> Report<'i> {
    /// Reads a reply; `None` if it says `ok: 1`. One without `ok` is an error.
    ///
    /// # Errors
    ///
    /// An element is broken.
    pub fn read(reply: Document<'i>) -> Result<Option<Self>, Error> {
        let mut report = Self {
            code: 0,
            code_name: "",
            message: "",
        };
        let mut ok = false;
        for element in reply.elements() {
            let element = element?;
            match (element.key, element.value()) {
                (b"ok", value) => ok = value.truthy(),
                (b"code", value) => report.code = value.as_i64().unwrap_or_default(),
                (b"codeName", Value::String(text)) => report.code_name = text,
                (b"errmsg", Value::String(text)) => report.message = text,
                _ => {}
            }
        }
        Ok((!ok).then_some(report))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let text = "not authorized on other to execute command { find: \"users\" }";
        let bytes = report(Code::Unauthorized, text, &[RETRYABLE_WRITE]);
        let document = Document::whole(&bytes).unwrap();
        let found = Report::read(document).unwrap().unwrap();
        assert_eq!(
            (found.code, found.code_name, found.message),
            (13, "Unauthorized", text)
        );
        let labels = document.get("errorLabels").unwrap().unwrap();
        let labels = labels.as_array().unwrap().first().unwrap().unwrap();
        assert_eq!(labels, ("0", Value::String(RETRYABLE_WRITE)));
        let bytes = report(Code::Unauthorized, text, &[]);
        let document = Document::whole(&bytes).unwrap();
        assert_eq!(document.get("errorLabels"), Ok(None));
        assert_eq!(Report::read(Document::whole(&ok()).unwrap()), Ok(None));
    }

    #[test]
    fn a_text_is_cut_off_between_characters() {
        let text = format!("x{}", "é".repeat(MONGO_REPORT_BYTES_MAX));
        let bytes = report(Code::BadValue, &text, &[]);
        assert!(bytes.len() < MONGO_REPORT_BYTES_MAX + 100);
        let found = Report::read(Document::whole(&bytes).unwrap());
        assert_eq!(
            found.unwrap().unwrap().message.len(),
            MONGO_REPORT_BYTES_MAX - 1
        );
    }

    #[test]
    fn any_number_may_say_ok() {
        for (value, ok) in [
            (Value::Double(1.0), true),
            (Value::Int32(1), true),
            (Value::Bool(true), true),
            (Value::Double(0.0), false),
            (Value::Int64(0), false),
        ] {
            let mut reply = Writer::new();
            reply.value("ok", &value);
            let reply = reply.finish();
            let report = Report::read(Document::whole(&reply).unwrap()).unwrap();
            assert_eq!(report.is_none(), ok, "{value:?}");
        }
        let empty = Writer::new().finish();
        let report = Report::read(Document::whole(&empty).unwrap());
        assert!(report.unwrap().is_some());
    }
}
