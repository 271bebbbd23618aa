//! Extended JSON as a tree whose fields keep their order, and its values as mongosh has them.

use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Fields of an object in their order.
pub(super) type Fields = Vec<(String, Tree)>;

/// Whole numbers beyond this are not exact in a shell: 2^53.
const EXACT_MAX: i64 = 1 << 53;

/// A value as it stands in the text. Nested 128 deep at most, as the parser takes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Whole(i64),
    Double(f64),
    String(String),
    Array(Vec<Self>),
    Object(Fields),
}

impl Tree {
    /// Reads a text; `None` if it is not JSON, or nested too deep.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one without a fraction, of whatever type.
    pub(super) fn as_whole(&self) -> Option<i64> {
        match self {
            Self::Whole(number) => Some(*number),
            Self::Double(number) => whole(*number),
            Self::Object(fields) => match fields.as_slice() {
                [(kind, Self::String(text))] => match kind.as_str() {
                    "$numberInt" | "$numberLong" => text.parse().ok(),
                    "$numberDouble" => text.parse().ok().and_then(whole),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    /// Appends the value as it is typed.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Whole(number) => long(*number, out),
            Self::Double(number) => double(*number, out),
            Self::String(text) => quoted(text, out),
            Self::Array(values) => {
                out.push('[');
                for (place, value) in values.iter().enumerate() {
                    if place > 0 {
                        out.push_str(", ");
                    }
                    value.write(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                if special(fields, out).is_none() {
                    object(fields, out);
                }
            }
        }
    }
}

/// Appends an object, whatever its fields are called.
pub(super) fn object(fields: &[(String, Tree)], out: &mut String) {
    out.push('{');
    for (place, (key, value)) in fields.iter().enumerate() {
        if place > 0 {
            out.push_str(", ");
        }
        if key == "__proto__" {
            // As a name or a string it would set what the object inherits from.
            out.push_str("[\"__proto__\"]");
        } else if is_identifier(key) {
            out.push_str(key);
        } else {
            quoted(key, out);
        }
        out.push_str(": ");
        value.write(out);
    }
    out.push('}');
}

/// Appends text as a string of JavaScript.
pub(super) fn quoted(text: &str, out: &mut String) {
    // Writing a string to memory cannot fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// Whether it can be a name in JavaScript without quotes. Names beyond ASCII are quoted.
pub(super) fn is_identifier(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// Appends what an object of one of the types of Extended JSON stands for; `None` and nothing if it
/// is none of them.
fn special(fields: &Fields, out: &mut String) -> Option<()> {
    let (key, value) = fields.first().filter(|(key, _)| key.starts_with('$'))?;
    match (key.as_str(), value, fields.get(1..).unwrap_or_default()) {
        ("$numberInt" | "$numberLong", Tree::String(text), []) => long(text.parse().ok()?, out),
        ("$numberDouble", Tree::String(text), []) => double(text.parse().ok()?, out),
        ("$numberDecimal", Tree::String(text), []) => wrapped("NumberDecimal", text, out),
        ("$oid", Tree::String(text), []) => wrapped("ObjectId", text, out),
        ("$symbol", Tree::String(text), []) => wrapped("BSONSymbol", text, out),
        ("$code", Tree::String(text), []) => wrapped("Code", text, out),
        ("$code", Tree::String(text), [(key, scope @ Tree::Object(_))]) if key == "$scope" => {
            out.push_str("Code(");
            quoted(text, out);
            out.push_str(", ");
            scope.write(out);
            out.push(')');
        }
        ("$date", Tree::String(text), []) => wrapped("ISODate", text, out),
        ("$date", at, []) => {
            let _ = write!(out, "new Date({})", at.as_whole()?);
        }
        ("$minKey", _, []) => out.push_str("MinKey()"),
        ("$maxKey", _, []) => out.push_str("MaxKey()"),
        ("$undefined", _, []) => out.push_str("undefined"),
        ("$timestamp", Tree::Object(at), []) => {
            out.push_str("Timestamp(");
            object(at, out);
            out.push(')');
        }
        ("$regularExpression", Tree::Object(parts), []) => match parts.as_slice() {
            [(first, pattern), (second, options)] if first == "pattern" && second == "options" => {
                regex(pattern.as_str()?, options.as_str()?, out);
            }
            _ => return None,
        },
        ("$binary", Tree::Object(parts), []) => match parts.as_slice() {
            [(first, bytes), (second, subtype)] if first == "base64" && second == "subType" => {
                let subtype = u8::from_str_radix(subtype.as_str()?, 16).ok()?;
                let _ = write!(out, "BinData({subtype}, ");
                quoted(bytes.as_str()?, out);
                out.push(')');
            }
            _ => return None,
        },
        _ => return None,
    }
    Some(())
}

fn wrapped(kind: &str, text: &str, out: &mut String) {
    out.push_str(kind);
    out.push('(');
    quoted(text, out);
    out.push(')');
}

fn long(number: i64, out: &mut String) {
    let _ = match (-EXACT_MAX..=EXACT_MAX).contains(&number) {
        true => write!(out, "{number}"),
        false => write!(out, "NumberLong(\"{number}\")"),
    };
}

fn double(number: f64, out: &mut String) {
    if number.is_nan() {
        out.push_str("NaN");
    } else if number.is_infinite() {
        out.push_str(if number < 0.0 {
            "-Infinity"
        } else {
            "Infinity"
        });
    } else {
        // `1` of 1.0, as a shell shows it.
        let _ = write!(out, "{number}");
    }
}

/// `/pattern/options` where that is the same.
fn regex(pattern: &str, options: &str, out: &mut String) {
    let plain = !pattern.is_empty()
        && !pattern.starts_with('*')
        && !pattern.contains(['/', '\n', '\r', '\u{2028}', '\u{2029}'])
        && !pattern.ends_with('\\')
        && options.chars().all(|option| "ims".contains(option));
    if plain {
        let _ = write!(out, "/{pattern}/{options}");
        return;
    }
    out.push_str("BSONRegExp(");
    quoted(pattern, out);
    out.push_str(", ");
    quoted(options, out);
    out.push(')');
}

#[allow(clippy::cast_possible_truncation)] // it is within bounds that are exact
fn whole(number: f64) -> Option<i64> {
    const MAX: f64 = EXACT_MAX as f64;
    ((-MAX..=MAX).contains(&number) && number.fract() == 0.0).then_some(number as i64)
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Whole(value))
    }

    #[allow(clippy::cast_precision_loss)] // as a shell has it
    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        let whole = i64::try_from(value).map(Tree::Whole);
        Ok(whole.unwrap_or(Tree::Double(value as f64)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Double(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Tree::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Tree::Object(fields))
    }
}
