//! What the proxy answers itself, in whichever version of the protocol the client speaks.

use std::borrow::Cow;

use tenantsdb_codecs::redis::server::{self, Protocol};

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A status.
    Simple(&'static str),
    /// An error, with its code in front.
    Error(Cow<'static, str>),
    /// A number.
    Integer(i64),
    /// A string.
    Bulk(Vec<u8>),
    /// A string for people to read: marked as such in RESP3.
    Text(Vec<u8>),
    /// Nothing.
    Null,
    /// A list.
    Array(Vec<Self>),
    /// Strings in no order: a list in RESP2.
    Set(Vec<&'static str>),
    /// Pairs: a list of both in RESP2.
    Map(Vec<(Self, Self)>),
}

impl Answer {
    /// What most commands say that have done what was asked.
    pub(crate) const OK: Self = Self::Simple("OK");

    /// An error.
    pub(crate) fn error(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Error(text.into())
    }

    /// A list of strings.
    pub(crate) fn strings<T: Into<Vec<u8>>>(strings: impl IntoIterator<Item = T>) -> Self {
        Self::Array(
            strings
                .into_iter()
                .map(|it| Self::Bulk(it.into()))
                .collect(),
        )
    }

    /// A list of lines of help, as Redis gives it: statuses.
    pub(crate) fn help(lines: &[&'static str]) -> Self {
        Self::Array(lines.iter().map(|line| Self::Simple(line)).collect())
    }

    /// A count.
    pub(crate) fn count(count: impl TryInto<i64>) -> Self {
        Self::Integer(count.try_into().unwrap_or(i64::MAX))
    }

    /// Puts it to `out`.
    pub(crate) fn encode(&self, protocol: Protocol, out: &mut Vec<u8>) {
        match self {
            Self::Simple(text) => server::simple(text, out),
            Self::Error(text) => error(text, out),
            Self::Integer(number) => server::integer(*number, out),
            Self::Bulk(text) => server::bulk(text, out),
            Self::Text(text) => server::verbatim(text, protocol, out),
            Self::Null => server::null(protocol, out),
            Self::Array(items) => {
                server::array(items.len(), out);
                for item in items {
                    item.encode(protocol, out);
                }
            }
            Self::Set(items) => {
                server::set(items.len(), protocol, out);
                for item in items {
                    server::bulk(item.as_bytes(), out);
                }
            }
            Self::Map(pairs) => {
                server::map(pairs.len(), protocol, out);
                for (key, value) in pairs {
                    key.encode(protocol, out);
                    value.encode(protocol, out);
                }
            }
        }
    }
}

/// Puts a line that begins with an error's code. Line ends in it become blanks.
fn error(text: &str, out: &mut Vec<u8>) {
    out.push(b'-');
    out.extend(text.bytes().map(|byte| match byte {
        b'\r' | b'\n' => b' ',
        byte => byte,
    }));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(answer: &Answer, protocol: Protocol) -> String {
        let mut out = Vec::new();
        answer.encode(protocol, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_answer_is_in_the_clients_protocol() {
        let map = Answer::Map(vec![(Answer::Bulk(b"a".to_vec()), Answer::Null)]);
        assert_eq!(encoded(&map, Protocol::Resp2), "*2\r\n$1\r\na\r\n$-1\r\n");
        assert_eq!(encoded(&map, Protocol::Resp3), "%1\r\n$1\r\na\r\n_\r\n");
        let text = Answer::Text(b"ab".to_vec());
        assert_eq!(encoded(&text, Protocol::Resp2), "$2\r\nab\r\n");
        assert_eq!(encoded(&text, Protocol::Resp3), "=6\r\ntxt:ab\r\n");
        let error = Answer::error("ERR a\r\nb");
        assert_eq!(encoded(&error, Protocol::Resp2), "-ERR a  b\r\n");
    }
}
