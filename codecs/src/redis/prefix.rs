//! A database's names on a server: keys, channels and patterns with its prefix, and without.
//!
//! ```text
//!   what           the client's            the server's
//!   key            k                       T:k
//!   channel        c                       T:c
//!   notifications  __keyspace@0__:k        __keyspace@0__:T:k
//!   MATCH          p                       T:p, with T: taken letter by letter
//! ```
//!
//! No prefix begins with `__keyspace@`, so that both kinds of channels are told from each other on
//! both sides. Notifications:
//! <https://redis.io/docs/latest/develop/pubsub/keyspace-notifications/>.

use super::command::Refusal;

/// What channels with the notifications about keys of database 0 begin with; the key follows.
pub const KEYSPACE: &[u8] = b"__keyspace@0__:";

/// What channels with the keys of an event begin with. The key is in the message, and the channel
/// is the same for all databases of a server.
const KEYEVENT: &[u8] = b"__keyevent@";

const KEYEVENT_REFUSED: Refusal = Refusal::ServerWide(
    "keyevent channels tell of the keys of the whole server; subscribe to __keyspace@0__:*",
);

/// The name of a key as the client knows it; `None`: it is another database's.
#[must_use]
pub fn strip<'n>(prefix: &[u8], name: &'n [u8]) -> Option<&'n [u8]> {
    name.strip_prefix(prefix)
}

/// Where the prefix is put into the name of a channel, in bytes from its start.
///
/// Notifications about databases other than 0 never come; such a channel is like any other.
///
/// # Errors
///
/// Events of the whole server.
pub fn channel_place(channel: &[u8]) -> Result<usize, Refusal> {
    if channel.starts_with(KEYEVENT) {
        Err(KEYEVENT_REFUSED)
    } else if channel.starts_with(KEYSPACE) {
        Ok(KEYSPACE.len())
    } else {
        Ok(0)
    }
}

/// Appends the server's name of a channel.
///
/// # Errors
///
/// As [`channel_place`].
pub fn channel_in(prefix: &[u8], channel: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let (head, tail) = channel.split_at(channel_place(channel)?);
    out.extend_from_slice(head);
    out.extend_from_slice(prefix);
    out.extend_from_slice(tail);
    Ok(())
}

/// The two halves of a channel's name as the client knows it, between which the prefix was; `None`:
/// it is another database's.
#[must_use]
pub fn channel_out<'n>(prefix: &[u8], channel: &'n [u8]) -> Option<(&'n [u8], &'n [u8])> {
    let head = if channel.starts_with(KEYSPACE) {
        KEYSPACE.len()
    } else {
        0
    };
    let (head, tail) = channel.split_at(head);
    Some((head, tail.strip_prefix(prefix)?))
}

/// Appends the pattern that matches the keys with the prefix whose rest the client's matches.
pub fn pattern_in(prefix: &[u8], pattern: &[u8], out: &mut Vec<u8>) {
    for byte in prefix {
        if matches!(byte, b'*' | b'?' | b'[' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.extend_from_slice(pattern);
}

/// Whether a pattern of channels, as the client says it, may match one with notifications about
/// keys. Only what stands before its first wildcard is looked at.
///
/// # Errors
///
/// Matches nothing but events of the whole server.
pub fn reaches_keyspace(pattern: &[u8]) -> Result<bool, Refusal> {
    let mut literal = [0; KEYSPACE.len()];
    let mut length = 0;
    let mut rest = pattern;
    let is_whole = loop {
        let byte = match rest {
            [] => break true,
            [b'*' | b'?' | b'[', ..] => break false,
            [b'\\', byte, behind @ ..] | [byte, behind @ ..] => {
                rest = behind;
                *byte
            }
        };
        let Some(place) = literal.get_mut(length) else {
            break false;
        };
        *place = byte;
        length += 1;
    };
    let literal = literal.get(..length).unwrap_or_default();
    if literal.starts_with(KEYEVENT) {
        return Err(KEYEVENT_REFUSED);
    }
    // A pattern without wildcards that is shorter ends before the name of a key could begin.
    Ok(literal == KEYSPACE || !is_whole && KEYSPACE.starts_with(literal))
}

#[cfg(test)]
mod tests;
