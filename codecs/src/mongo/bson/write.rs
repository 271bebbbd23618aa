//! Documents, written.

use super::{Document, Value, kind};

/// Writes a document element by element. Keys end at their first zero byte, if they have one.
#[derive(Clone, Debug)]
pub struct Writer {
    out: Vec<u8>,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// An empty document.
    #[must_use]
    pub fn new() -> Self {
        Self { out: vec![0; 4] }
    }

    /// Appends a string.
    pub fn str(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key, kind::STRING);
        string(value, &mut self.out);
        self
    }

    /// Appends an integer of 32 bits.
    pub fn i32(&mut self, key: &str, value: i32) -> &mut Self {
        self.raw(key, kind::INT32, &value.to_le_bytes())
    }

    /// Appends an integer of 64 bits.
    pub fn i64(&mut self, key: &str, value: i64) -> &mut Self {
        self.raw(key, kind::INT64, &value.to_le_bytes())
    }

    /// Appends a double.
    pub fn f64(&mut self, key: &str, value: f64) -> &mut Self {
        self.raw(key, kind::DOUBLE, &value.to_bits().to_le_bytes())
    }

    /// Appends a boolean.
    pub fn bool(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, kind::BOOL, &[value.into()])
    }

    /// Appends a time: milliseconds since 1970 in UTC.
    pub fn date(&mut self, key: &str, value: i64) -> &mut Self {
        self.raw(key, kind::DATE, &value.to_le_bytes())
    }

    /// Appends an ObjectId.
    pub fn object_id(&mut self, key: &str, value: [u8; 12]) -> &mut Self {
        self.raw(key, kind::OBJECT_ID, &value)
    }

    /// Appends null.
    pub fn null(&mut self, key: &str) -> &mut Self {
        self.raw(key, kind::NULL, &[])
    }

    /// Appends bytes.
    pub fn binary(&mut self, key: &str, subtype: u8, value: &[u8]) -> &mut Self {
        self.key(key, kind::BINARY);
        self.out.extend_from_slice(&length(value.len()));
        self.out.push(subtype);
        self.out.extend_from_slice(value);
        self
    }

    /// Appends a document that `fill` writes.
    pub fn document(&mut self, key: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::new();
        fill(&mut inner);
        let inner = inner.finish();
        self.raw(key, kind::DOCUMENT, &inner)
    }

    /// Appends an array that `fill` writes.
    pub fn array(&mut self, key: &str, fill: impl FnOnce(&mut Array)) -> &mut Self {
        let mut inner = Array::default();
        fill(&mut inner);
        let inner = inner.inner.finish();
        self.raw(key, kind::ARRAY, &inner)
    }

    /// Appends a value of a kind that has no method of its own, as it is written.
    pub fn raw(&mut self, key: &str, kind: u8, bytes: &[u8]) -> &mut Self {
        self.key(key, kind);
        self.out.extend_from_slice(bytes);
        self
    }

    /// Appends a value that was read.
    pub fn value(&mut self, key: &str, value: &Value<'_>) -> &mut Self {
        match *value {
            Value::Double(value) => self.f64(key, value),
            Value::String(value) => self.str(key, value),
            Value::Document(value) => self.raw(key, kind::DOCUMENT, value.bytes()),
            Value::Array(value) => self.raw(key, kind::ARRAY, value.bytes()),
            Value::Binary { subtype, bytes } => self.binary(key, subtype, bytes),
            Value::ObjectId(value) => self.object_id(key, value),
            Value::Bool(value) => self.bool(key, value),
            Value::Date(value) => self.date(key, value),
            Value::Null => self.null(key),
            Value::Int32(value) => self.i32(key, value),
            Value::Int64(value) => self.i64(key, value),
            Value::Timestamp(value) => self.raw(key, kind::TIMESTAMP, &value.to_le_bytes()),
            Value::Other { kind, bytes } => self.raw(key, kind, bytes),
        }
    }

    /// Appends all elements of another document as they are.
    pub fn extend(&mut self, document: Document<'_>) -> &mut Self {
        let bytes = document.bytes();
        let inner = bytes.get(4..bytes.len() - 1).unwrap_or_default();
        self.out.extend_from_slice(inner);
        self
    }

    /// The document's bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut out = self.out;
        out.push(0);
        let length = length(out.len());
        if let Some(front) = out.first_chunk_mut() {
            *front = length;
        }
        out
    }

    fn key(&mut self, key: &str, kind: u8) {
        self.out.push(kind);
        let key = key.split('\0').next().unwrap_or_default();
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(0);
    }
}

/// Writes an array value by value.
#[derive(Clone, Debug, Default)]
pub struct Array {
    inner: Writer,
    count: usize,
}

impl Array {
    /// Appends a string.
    pub fn str(&mut self, value: &str) -> &mut Self {
        let key = self.next();
        self.inner.str(&key, value);
        self
    }

    /// Appends an integer of 32 bits.
    pub fn i32(&mut self, value: i32) -> &mut Self {
        let key = self.next();
        self.inner.i32(&key, value);
        self
    }

    /// Appends an integer of 64 bits.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        let key = self.next();
        self.inner.i64(&key, value);
        self
    }

    /// Appends a document that `fill` writes.
    pub fn document(&mut self, fill: impl FnOnce(&mut Writer)) -> &mut Self {
        let key = self.next();
        self.inner.document(&key, fill);
        self
    }

    /// Appends a value of any kind, as it is written.
    pub fn raw(&mut self, kind: u8, bytes: &[u8]) -> &mut Self {
        let key = self.next();
        self.inner.raw(&key, kind, bytes);
        self
    }

    /// Appends a value that was read.
    pub fn value(&mut self, value: &Value<'_>) -> &mut Self {
        let key = self.next();
        self.inner.value(&key, value);
        self
    }

    fn next(&mut self) -> String {
        let key = self.count.to_string();
        self.count += 1;
        key
    }
}

fn string(value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&length(value.len() + 1));
    out.extend_from_slice(value.as_bytes());
    out.push(0);
}

/// What is too long for its length field is too long for every message, and refused there.
fn length(bytes: usize) -> [u8; 4] {
    i32::try_from(bytes).unwrap_or(i32::MAX).to_le_bytes()
}
