//! A reply as a tree, read from a stream. Nothing is bounded here: the peers are the tests' own.

use std::fmt;
use std::io::{self, BufRead, Read};

/// One reply of RESP2 or RESP3:
/// <https://redis.io/docs/latest/develop/reference/protocol-spec/>.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `_`, `$-1`, `*-1`
    Null,
    /// `+`
    Simple(String),
    /// `-` and `!`
    Error(String),
    /// `:`
    Integer(i64),
    /// `$`
    Bulk(Vec<u8>),
    /// `=`, with its three letters in front
    Verbatim(Vec<u8>),
    /// `,` as it is written
    Double(String),
    /// `#`
    Boolean(bool),
    /// `(`
    BigNumber(String),
    /// `*`
    Array(Vec<Self>),
    /// `~`
    Set(Vec<Self>),
    /// `>`
    Push(Vec<Self>),
    /// `%`
    Map(Vec<(Self, Self)>),
}

impl Value {
    /// Reads one reply; attributes in front of it are dropped.
    ///
    /// # Errors
    ///
    /// The stream's, and `InvalidData` where it is no reply.
    pub fn read(from: &mut impl BufRead) -> io::Result<Self> {
        let line = line(from)?;
        let (kind, rest) = line.split_at_checked(1).ok_or_else(|| bad(&line))?;
        let rest = rest.to_owned();
        let count = || rest.parse::<i64>().map_err(|_| bad(&line));
        Ok(match kind {
            "_" => Self::Null,
            "+" => Self::Simple(rest),
            "-" => Self::Error(rest),
            ":" => Self::Integer(count()?),
            "," => Self::Double(rest),
            "#" => Self::Boolean(rest == "t"),
            "(" => Self::BigNumber(rest),
            "$" | "=" | "!" => {
                let Ok(bytes) = usize::try_from(count()?) else {
                    return Ok(Self::Null);
                };
                let body = body(from, bytes)?;
                match kind {
                    "$" => Self::Bulk(body),
                    "=" => Self::Verbatim(body),
                    _ => Self::Error(String::from_utf8_lossy(&body).into_owned()),
                }
            }
            "*" | "~" | ">" => {
                let Ok(items) = usize::try_from(count()?) else {
                    return Ok(Self::Null);
                };
                let items = (0..items)
                    .map(|_| Self::read(from))
                    .collect::<io::Result<_>>()?;
                match kind {
                    "*" => Self::Array(items),
                    "~" => Self::Set(items),
                    _ => Self::Push(items),
                }
            }
            "%" | "|" => {
                let pairs = usize::try_from(count()?).map_err(|_| bad(&line))?;
                let pair = |_| Ok((Self::read(from)?, Self::read(from)?));
                let pairs = (0..pairs).map(pair).collect::<io::Result<_>>()?;
                match kind {
                    "%" => Self::Map(pairs),
                    _ => return Self::read(from),
                }
            }
            _ => return Err(bad(&line)),
        })
    }

    /// The text of a simple or bulk string, a number or an error.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Simple(text) | Self::Error(text) | Self::Double(text) | Self::BigNumber(text) => {
                text.clone()
            }
            Self::Bulk(bytes) | Self::Verbatim(bytes) => {
                String::from_utf8_lossy(bytes).into_owned()
            }
            Self::Integer(number) => number.to_string(),
            other => format!("{other:?}"),
        }
    }

    /// The error's text, where it is one.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Error(text) => Some(text),
            _ => None,
        }
    }

    /// What an array, set, push or map holds, keys and values in turn; else nothing.
    #[must_use]
    pub fn items(&self) -> Vec<Self> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => items.clone(),
            Self::Map(pairs) => {
                let flat = pairs.iter().flat_map(|(key, value)| [key, value]);
                flat.cloned().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Its items as texts.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.items().iter().map(Self::text).collect()
    }

    /// The same with everything in it in order, where servers give none: sets, and arrays that are
    /// sets in RESP2.
    #[must_use]
    pub fn sorted(&self) -> Self {
        let sort = |items: &[Self]| {
            let mut items: Vec<Self> = items.iter().map(Self::sorted).collect();
            items.sort();
            items
        };
        match self {
            Self::Array(items) => Self::Array(sort(items)),
            Self::Set(items) => Self::Set(sort(items)),
            Self::Map(pairs) => {
                let pairs = pairs
                    .iter()
                    .map(|(key, value)| (key.clone(), value.sorted()));
                let mut pairs: Vec<(Self, Self)> = pairs.collect();
                pairs.sort();
                Self::Map(pairs)
            }
            other => other.clone(),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => write!(f, "nil"),
            Self::Simple(text) => write!(f, "+{text}"),
            Self::Error(text) => write!(f, "-{text}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::Verbatim(bytes) => write!(f, "=\"{}\"", bytes.escape_ascii()),
            Self::Double(text) => write!(f, ",{text}"),
            Self::Boolean(yes) => write!(f, "#{yes}"),
            Self::BigNumber(text) => write!(f, "({text}"),
            Self::Array(items) => f.debug_list().entries(items).finish(),
            Self::Set(items) => {
                write!(f, "~").and_then(|()| f.debug_list().entries(items).finish())
            }
            Self::Push(items) => {
                write!(f, ">").and_then(|()| f.debug_list().entries(items).finish())
            }
            Self::Map(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| (key, value));
                f.debug_map().entries(pairs).finish()
            }
        }
    }
}

fn bad(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no reply: {line:?}"))
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match line.strip_suffix(b"\r\n") {
        Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
        None => Err(bad(&String::from_utf8_lossy(&line))),
    }
}

fn body(from: &mut impl Read, bytes: usize) -> io::Result<Vec<u8>> {
    let mut body = vec![0; bytes + 2];
    from.read_exact(&mut body)?;
    match body.strip_suffix(b"\r\n") {
        Some(body) => Ok(body.to_vec()),
        None => Err(bad("a string without its end")),
    }
}
