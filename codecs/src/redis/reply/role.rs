//! What a value at its place in a reply is.

use super::Shape;

/// What is done with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Passed, with all that is in it.
    Plain,
    Key,
    Channel,
    /// An aggregate, whose first element is a key.
    FirstIsKey,
    /// An aggregate, whose elements are keys.
    Keys,
    /// An aggregate, whose elements are channels.
    Channels,
    /// An aggregate, whose elements are channels and something else by turns.
    ChannelCounts,
    /// A map from keys, or an aggregate whose elements are [`Self::FirstIsKey`].
    Streams,
    /// Any string in it may be a key.
    Script,
    /// An aggregate, whose elements are those of the list.
    Exec,
    /// Something else is sent instead.
    Replaced,
}

impl Role {
    pub(super) const fn of(shape: &Shape) -> Self {
        match shape {
            Shape::Plain => Self::Plain,
            Shape::Key => Self::Key,
            Shape::FirstIsKey => Self::FirstIsKey,
            Shape::Keys => Self::Keys,
            Shape::Streams => Self::Streams,
            Shape::Channels => Self::Channels,
            Shape::ChannelCounts => Self::ChannelCounts,
            Shape::Script(_) => Self::Script,
            Shape::Exec(_) => Self::Exec,
            Shape::Replace(_) => Self::Replaced,
        }
    }

    /// The role of an element of an aggregate with this role, except for the elements of
    /// [`Self::Exec`], which the list knows. In a map keys have even places and values odd ones.
    pub(super) const fn of_element(self, paired: bool, index: u64) -> Self {
        let even = index.is_multiple_of(2);
        match self {
            Self::FirstIsKey if index == 0 => Self::Key,
            Self::Keys => Self::Key,
            Self::Channels => Self::Channel,
            Self::ChannelCounts if even => Self::Channel,
            Self::Streams if !paired => Self::FirstIsKey,
            Self::Streams if even => Self::Key,
            Self::Script => Self::Script,
            _ => Self::Plain,
        }
    }
}
