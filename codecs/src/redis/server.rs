//! What a server writes, and the requests that the proxy writes to one.
//!
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/#resp-protocol-description>. What
//! RESP2 has no type for is written as the server does to a client that speaks it
//! (`src/networking.c`, `addReplyNull` and those below it).

use super::frame::Number;

/// The version of the protocol that a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// The one that a connection begins with.
    #[default]
    Resp2,
    /// With HELLO 3.
    Resp3,
}

impl Protocol {
    /// The number that HELLO is given.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }

    /// By the number that HELLO is given.
    #[must_use]
    pub const fn of_number(number: i64) -> Option<Self> {
        match number {
            2 => Some(Self::Resp2),
            3 => Some(Self::Resp3),
            _ => None,
        }
    }
}

fn head(first: u8, length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(Number::length(first, length).as_bytes());
}

/// Appends a status. There is no line end in it: what is behind one is left out.
pub fn simple(text: &str, out: &mut Vec<u8>) {
    out.push(b'+');
    out.extend_from_slice(
        text.split(['\r', '\n'])
            .next()
            .unwrap_or_default()
            .as_bytes(),
    );
    out.extend_from_slice(b"\r\n");
}

/// Appends a whole number.
pub fn integer(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(Number::from(number).as_bytes());
}

/// Appends a string.
pub fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
    bulk_head(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends the head of a string: so many bytes and a line end are to follow.
pub fn bulk_head(bytes: u64, out: &mut Vec<u8>) {
    head(b'$', bytes, out);
}

/// Appends the null that stands for a value.
pub fn null(protocol: Protocol, out: &mut Vec<u8>) {
    out.extend_from_slice(match protocol {
        Protocol::Resp2 => b"$-1\r\n",
        Protocol::Resp3 => b"_\r\n",
    });
}

/// Appends the null that stands for an array.
pub fn null_array(protocol: Protocol, out: &mut Vec<u8>) {
    out.extend_from_slice(match protocol {
        Protocol::Resp2 => b"*-1\r\n",
        Protocol::Resp3 => b"_\r\n",
    });
}

/// Appends the head of an array: so many values are to follow.
pub fn array(elements: usize, out: &mut Vec<u8>) {
    head(b'*', elements as u64, out);
}

/// Appends the head of a map: so many pairs of values are to follow.
pub fn map(pairs: usize, protocol: Protocol, out: &mut Vec<u8>) {
    match protocol {
        Protocol::Resp2 => head(b'*', (pairs as u64).saturating_mul(2), out),
        Protocol::Resp3 => head(b'%', pairs as u64, out),
    }
}

/// Appends the head of a set: so many values are to follow.
pub fn set(elements: usize, protocol: Protocol, out: &mut Vec<u8>) {
    match protocol {
        Protocol::Resp2 => head(b'*', elements as u64, out),
        Protocol::Resp3 => head(b'~', elements as u64, out),
    }
}

/// Appends the head of what answers no request: so many values are to follow.
pub fn push(elements: usize, protocol: Protocol, out: &mut Vec<u8>) {
    match protocol {
        Protocol::Resp2 => head(b'*', elements as u64, out),
        Protocol::Resp3 => head(b'>', elements as u64, out),
    }
}

/// Appends yes or no.
pub fn boolean(value: bool, protocol: Protocol, out: &mut Vec<u8>) {
    out.extend_from_slice(match (protocol, value) {
        (Protocol::Resp2, true) => b":1\r\n",
        (Protocol::Resp2, false) => b":0\r\n",
        (Protocol::Resp3, true) => b"#t\r\n",
        (Protocol::Resp3, false) => b"#f\r\n",
    });
}

/// Appends plain text that is meant for people: INFO, CLIENT LIST.
pub fn verbatim(text: &[u8], protocol: Protocol, out: &mut Vec<u8>) {
    const FORMAT: &[u8] = b"txt:";
    match protocol {
        Protocol::Resp2 => bulk(text, out),
        Protocol::Resp3 => {
            head(b'=', (FORMAT.len() + text.len()) as u64, out);
            out.extend_from_slice(FORMAT);
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Appends a request.
pub fn command(args: &[&[u8]], out: &mut Vec<u8>) {
    array(args.len(), out);
    for arg in args {
        bulk(arg, out);
    }
}

#[cfg(test)]
mod tests;
