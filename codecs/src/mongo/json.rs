//! Documents as text: canonical Extended JSON v2, without white space, keys in their order.
//!
//! Specification "Extended JSON" of the drivers. Of what is deprecated and kept in no schema
//! (DBPointer, Symbol) the text is canonical too.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Error;
use super::bson::{DEPTH_MAX, Document, Element, Value, kind};
use crate::cursor::Cursor;

/// Writes one object, element by element.
#[derive(Debug)]
pub struct Json {
    out: String,
    bytes_max: usize,
    first: bool,
}

impl Default for Json {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl Json {
    /// An empty object, which may have `bytes_max` bytes and one more value.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            out: "{".to_owned(),
            bytes_max,
            first: true,
        }
    }

    /// Appends an element as it was read.
    ///
    /// # Errors
    ///
    /// It is broken, not UTF-8, nested too deep, or the text gets too long.
    pub fn element(&mut self, element: Element<'_>) -> Result<(), Error> {
        self.key(element.name()?);
        value(element.value(), &mut self.out, self.bytes_max, 1)
    }

    /// Appends a string.
    pub fn str(&mut self, key: &str, text: &str) {
        self.key(key);
        string(text, &mut self.out);
    }

    /// The text.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.out.push('}');
        self.out
    }

    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        string(key, &mut self.out);
        self.out.push(':');
    }
}

/// The text of a document.
///
/// # Errors
///
/// Part of it is broken, a key or a string is not UTF-8, or it is nested more than [`DEPTH_MAX`]
/// deep.
pub fn text(document: Document<'_>) -> Result<String, Error> {
    let mut json = Json::default();
    for element in document.elements() {
        json.element(element?)?;
    }
    Ok(json.finish())
}

/// Recursion ends at [`DEPTH_MAX`].
fn value(value: Value<'_>, out: &mut String, bytes_max: usize, depth: usize) -> Result<(), Error> {
    match value {
        Value::Document(inner) => children(inner, false, out, (bytes_max, depth))?,
        Value::Array(inner) => children(inner, true, out, (bytes_max, depth))?,
        Value::String(text) => string(text, out),
        Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Value::Null => out.push_str("null"),
        Value::Int32(number) => wrapped("$numberInt", &number.to_string(), out),
        Value::Int64(number) => wrapped("$numberLong", &number.to_string(), out),
        Value::Double(number) => wrapped("$numberDouble", &double(number), out),
        Value::Date(at) => {
            out.push_str("{\"$date\":");
            wrapped("$numberLong", &at.to_string(), out);
            out.push('}');
        }
        Value::ObjectId(id) => wrapped("$oid", &hex(&id), out),
        Value::Timestamp(at) => {
            let (seconds, count) = (at >> 32, at & 0xffff_ffff);
            // Writing to memory cannot fail.
            let _ = write!(out, "{{\"$timestamp\":{{\"t\":{seconds},\"i\":{count}}}}}");
        }
        Value::Binary { subtype, bytes } => {
            // The old kind of anything has its length once more.
            let old = if subtype == 2 { bytes.get(4..) } else { None };
            let bytes = old.unwrap_or(bytes);
            let base64 = STANDARD.encode(bytes);
            let _ = write!(
                out,
                "{{\"$binary\":{{\"base64\":\"{base64}\",\"subType\":\"{subtype:02x}\"}}}}"
            );
        }
        Value::Other { kind, bytes } => other(kind, bytes, out, (bytes_max, depth))?,
    }
    if out.len() > bytes_max {
        return Err(Error::TooLong {
            field: "text of a document",
            bytes: out.len() as u64,
            max: bytes_max as u64,
        });
    }
    Ok(())
}

fn children(
    inner: Document<'_>,
    array: bool,
    out: &mut String,
    (bytes_max, depth): (usize, usize),
) -> Result<(), Error> {
    if depth >= DEPTH_MAX {
        return Err(Error::Depth(DEPTH_MAX));
    }
    out.push(if array { '[' } else { '{' });
    for (n, element) in inner.elements().enumerate() {
        let element = element?;
        if n > 0 {
            out.push(',');
        }
        if !array {
            string(element.name()?, out);
            out.push(':');
        }
        value(element.value(), out, bytes_max, depth + 1)?;
    }
    out.push(if array { ']' } else { '}' });
    Ok(())
}

fn other(kind: u8, bytes: &[u8], out: &mut String, bounds: (usize, usize)) -> Result<(), Error> {
    let mut cursor = Cursor::new(bytes);
    match kind {
        kind::UNDEFINED => out.push_str("{\"$undefined\":true}"),
        kind::MIN_KEY => out.push_str("{\"$minKey\":1}"),
        kind::MAX_KEY => out.push_str("{\"$maxKey\":1}"),
        kind::CODE => wrapped("$code", text_of(&mut cursor)?, out),
        kind::SYMBOL => wrapped("$symbol", text_of(&mut cursor)?, out),
        kind::DECIMAL128 => {
            let bits = cursor.array().map(u128::from_le_bytes);
            let bits = bits.ok_or(Error::Truncated("decimal"))?;
            wrapped("$numberDecimal", &decimal(bits), out);
        }
        kind::REGEX => {
            let pattern = cursor.c_string().ok_or(Error::Terminator("pattern"))?;
            let options = cursor.c_string().ok_or(Error::Terminator("options"))?;
            out.push_str("{\"$regularExpression\":{\"pattern\":");
            string(utf8(pattern)?, out);
            out.push_str(",\"options\":");
            string(utf8(options)?, out);
            out.push_str("}}");
        }
        kind::CODE_WITH_SCOPE => {
            cursor.take(4).ok_or(Error::Truncated("code"))?;
            out.push_str("{\"$code\":");
            string(text_of(&mut cursor)?, out);
            out.push_str(",\"$scope\":");
            children(Document::whole(cursor.rest())?, false, out, bounds)?;
            out.push('}');
        }
        kind::DB_POINTER => {
            out.push_str("{\"$dbPointer\":{\"$ref\":");
            string(text_of(&mut cursor)?, out);
            out.push_str(",\"$id\":");
            wrapped("$oid", &hex(cursor.rest()), out);
            out.push_str("}}");
        }
        // A string that is not UTF-8, or what is broken.
        _ => return Err(Error::Utf8("string")),
    }
    Ok(())
}

/// A string as BSON has it: its length, its bytes, 00.
fn text_of<'i>(cursor: &mut Cursor<'i>) -> Result<&'i str, Error> {
    const FIELD: Error = Error::Truncated("string");
    let length = cursor.i32_le().ok_or(FIELD)?;
    let length = usize::try_from(length).map_err(|_| FIELD)?;
    let text = cursor.take(length).ok_or(FIELD)?;
    utf8(text.strip_suffix(&[0]).ok_or(FIELD)?)
}

fn utf8(text: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(text).map_err(|_| Error::Utf8("string"))
}

fn wrapped(key: &str, text: &str, out: &mut String) {
    out.push('{');
    string(key, out);
    out.push(':');
    string(text, out);
    out.push('}');
}

fn string(text: &str, out: &mut String) {
    // A string can always be written as JSON.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The shortest text that is read as the same number, with a point or an exponent.
fn double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        let sign = if number < 0.0 { "-" } else { "" };
        return format!("{sign}Infinity");
    }
    format!("{number:?}")
}

/// Specification "BSON Decimal128 Type Handling in Drivers", to string.
fn decimal(bits: u128) -> String {
    /// Of 34 digits, the most that there are.
    const LARGEST: u128 = 9_999_999_999_999_999_999_999_999_999_999_999;
    const BIAS: i64 = 6176;
    let sign = if bits >> 127 == 0 { "" } else { "-" };
    match (bits >> 122) & 0x1f {
        0x1f => return "NaN".to_owned(),
        0x1e => return format!("{sign}Infinity"),
        _ => {}
    }
    // With both first bits set the digits are more than there are, and count as zero.
    let (exponent, digits) = match (bits >> 125) & 3 {
        3 => ((bits >> 111) & 0x3fff, 0),
        _ => ((bits >> 113) & 0x3fff, bits & ((1 << 113) - 1)),
    };
    let digits = if digits > LARGEST { 0 } else { digits };
    let digits = digits.to_string();
    let exponent = i64::try_from(exponent).unwrap_or_default() - BIAS;
    let behind_first = i64::try_from(digits.len()).unwrap_or_default() - 1;
    let scientific = exponent + behind_first;
    if exponent > 0 || scientific < -6 {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{point}{rest}E{scientific:+}");
    }
    let fraction = usize::try_from(-exponent).unwrap_or_default();
    if fraction == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = fraction + 1);
    let (whole, fraction) = padded.split_at(padded.len() - fraction);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mongo::bson::{Array, Writer};

    fn text_of(fill: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer::new();
        fill(&mut writer);
        text(Document::whole(&writer.finish()).unwrap()).unwrap()
    }

    /// Values and their texts as the specification "Extended JSON" has them in its corpus.
    #[test]
    fn every_kind_has_its_canonical_text() {
        let text = text_of(|w| {
            w.str("s", "a\"\u{1}é")
                .i32("i", -1)
                .i64("l", 1 << 40)
                .f64("d", 1.0);
            w.bool("t", true)
                .null("n")
                .date("at", -1)
                .object_id("id", [0x56; 12]);
            w.binary("b", 4, &[0xff, 0]).raw("u", kind::UNDEFINED, &[]);
            w.raw("r", kind::REGEX, b"^a\0im\0")
                .raw("c", kind::CODE, b"\x02\0\0\0f\0");
            w.raw("ts", kind::TIMESTAMP, &((5_u64 << 32) | 7).to_le_bytes());
            w.raw("min", kind::MIN_KEY, &[])
                .raw("max", kind::MAX_KEY, &[]);
            let list = |a: &mut Array| _ = a.i32(1).str("x");
            w.document("o", |w| _ = w.array("a", list));
            w.raw(
                "cs",
                kind::CODE_WITH_SCOPE,
                b"\x0f\0\0\0\x02\0\0\0f\0\x05\0\0\0\0",
            );
        });
        let expected = concat!(
            r#"{"s":"a\"\u0001é","i":{"$numberInt":"-1"},"l":{"$numberLong":"1099511627776"},"#,
            r#""d":{"$numberDouble":"1.0"},"t":true,"n":null,"at":{"$date":{"$numberLong":"-1"}},"#,
            r#""id":{"$oid":"565656565656565656565656"},"#,
            r#""b":{"$binary":{"base64":"/wA=","subType":"04"}},"u":{"$undefined":true},"#,
            r#""r":{"$regularExpression":{"pattern":"^a","options":"im"}},"c":{"$code":"f"},"#,
            r#""ts":{"$timestamp":{"t":5,"i":7}},"min":{"$minKey":1},"max":{"$maxKey":1},"#,
            r#""o":{"a":[{"$numberInt":"1"},"x"]},"cs":{"$code":"f","$scope":{}}}"#,
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn numbers_keep_their_value() {
        for (number, text) in [
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e300, "1e300"),
        ] {
            assert_eq!(double(number), text);
        }
        let exponent = |exponent: i64| u128::try_from(exponent + 6176).unwrap() << 113;
        for (bits, text) in [
            (exponent(0), "0"),
            (exponent(0) | 1 | 1 << 127, "-1"),
            (exponent(-1) | 1, "0.1"),
            (exponent(-3) | 12_345, "12.345"),
            (exponent(-7) | 1, "1E-7"),
            (exponent(3) | 12, "1.2E+4"),
            (0x1f << 122, "NaN"),
            (0x3e << 122, "-Infinity"),
            (3 << 125, "0E-6176"),
        ] {
            assert_eq!(decimal(bits), text, "{bits:x}");
        }
    }

    #[test]
    fn what_is_no_text_or_too_long_is_an_error() {
        let mut writer = Writer::new();
        writer.raw("s", kind::STRING, b"\x02\0\0\0\xff\0");
        let bytes = writer.finish();
        let document = Document::whole(&bytes).unwrap();
        assert_eq!(text(document), Err(Error::Utf8("string")));
        let mut json = Json::new(3);
        let mut writer = Writer::new();
        writer.str("s", "long");
        let bytes = writer.finish();
        let element = Document::whole(&bytes).unwrap().elements().next();
        let error = json.element(element.unwrap().unwrap()).unwrap_err();
        assert!(matches!(error, Error::TooLong { .. }));
        let mut inner = Writer::new().finish();
        for _ in 0..DEPTH_MAX {
            let mut outer = Writer::new();
            outer.raw("d", kind::DOCUMENT, &inner);
            inner = outer.finish();
        }
        let document = Document::whole(&inner).unwrap();
        assert_eq!(text(document), Err(Error::Depth(DEPTH_MAX)));
    }
}
