//! Where a prefix stands in a string, by what the string is.

use std::ops::Range;

use super::Shape;
use super::role::Role;
use super::script::Sorted;
use crate::limits::REDIS_BLOB_ERROR_BYTES_MAX;
use crate::redis::prefix::KEYSPACE;

/// What may be cut out of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// The prefix of a key.
    Key,
    /// The prefix of a channel, or of the key whose notifications it has.
    Channel,
    /// The prefix of one of these keys.
    Script,
    /// The prefix behind each quote.
    Error,
}

impl Text {
    pub(super) const fn of(role: Role) -> Option<Self> {
        Some(match role {
            Role::Key => Self::Key,
            Role::Channel => Self::Channel,
            Role::Script => Self::Script,
            _ => return None,
        })
    }

    /// How many bytes at the front of a string of so many must be seen to know what is cut out:
    /// none, if nothing can be.
    pub(super) fn head_bytes(self, bytes: u64, prefix: &[u8], keys: Sorted<'_>) -> usize {
        let whole = usize::try_from(bytes).unwrap_or(usize::MAX);
        match self {
            Self::Key => whole.min(prefix.len()),
            Self::Channel => whole.min(KEYSPACE.len() + prefix.len()),
            Self::Script if keys.has_length(whole) => whole,
            Self::Error if bytes <= REDIS_BLOB_ERROR_BYTES_MAX && !prefix.is_empty() => whole,
            Self::Script | Self::Error => 0,
        }
    }

    /// The first range at or behind `from` that is cut out of a string with this head.
    fn next(
        self,
        head: &[u8],
        from: usize,
        prefix: &[u8],
        keys: Sorted<'_>,
    ) -> Option<Range<usize>> {
        match self {
            _ if prefix.is_empty() => None,
            Self::Error => {
                let rest = head.get(from..)?;
                let mut places = rest.iter().enumerate();
                let is_quoted = |(place, byte): &(usize, &u8)| {
                    is_quote(**byte)
                        && rest
                            .get(place + 1..)
                            .is_some_and(|name| name.starts_with(prefix))
                };
                let (place, _) = places.find(is_quoted)?;
                let start = from + place + 1;
                Some(start..start + prefix.len())
            }
            Self::Key | Self::Channel | Self::Script if from > 0 => None,
            Self::Key => head.starts_with(prefix).then_some(0..prefix.len()),
            Self::Channel => {
                let start = match head.strip_prefix(KEYSPACE) {
                    Some(key) if key.starts_with(prefix) => KEYSPACE.len(),
                    _ if head.starts_with(prefix) => 0,
                    _ => return None,
                };
                Some(start..start + prefix.len())
            }
            Self::Script => {
                (head.starts_with(prefix) && keys.contains(head)).then_some(0..prefix.len())
            }
        }
    }

    /// All ranges that are cut out of a string with this head, in order.
    pub(super) fn cuts(
        self,
        head: &[u8],
        prefix: &[u8],
        keys: Sorted<'_>,
    ) -> impl Iterator<Item = Range<usize>> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let cut = self.next(head, from, prefix, keys)?;
            from = cut.end;
            Some(cut)
        })
    }

    /// Whether the string should have been one with the prefix.
    pub(super) const fn is_name(self) -> bool {
        matches!(self, Self::Key | Self::Channel)
    }
}

/// What the server puts around a name in its errors.
pub(super) const fn is_quote(byte: u8) -> bool {
    matches!(byte, b'\'' | b'"')
}

/// The keys of a script, in a shape or in its element that is under way.
pub(super) fn script_keys(shape: &Shape, element: usize) -> Sorted<'_> {
    match shape {
        Shape::Script(keys) => keys.as_sorted(),
        Shape::Exec(elements) => match elements.get(element) {
            Some(Shape::Script(keys)) => keys.as_sorted(),
            _ => Sorted::default(),
        },
        _ => Sorted::default(),
    }
}
