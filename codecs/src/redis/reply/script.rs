//! The keys that a script was given.

/// Keys with their prefix, found in a time that hardly grows with their number: a script may be
/// given a million, and reply as many strings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptKeys {
    /// By length, those of one length by their bytes; each once.
    sorted: Box<[Box<[u8]>]>,
}

// === impl ScriptKeys ===

impl ScriptKeys {
    /// None.
    pub const fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Each of them once, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.sorted.iter().map(AsRef::as_ref)
    }

    pub(super) const fn as_sorted(&self) -> Sorted<'_> {
        Sorted(&self.sorted)
    }
}

impl From<Vec<Box<[u8]>>> for ScriptKeys {
    fn from(mut keys: Vec<Box<[u8]>>) -> Self {
        keys.sort_unstable_by(|one, other| place(one).cmp(&place(other)));
        keys.dedup();
        Self {
            sorted: keys.into(),
        }
    }
}

impl FromIterator<Box<[u8]>> for ScriptKeys {
    fn from_iter<I: IntoIterator<Item = Box<[u8]>>>(keys: I) -> Self {
        Vec::from_iter(keys).into()
    }
}

/// Where a key stands among others.
const fn place(key: &[u8]) -> (usize, &[u8]) {
    (key.len(), key)
}

/// The same, borrowed; by default there are none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sorted<'k>(&'k [Box<[u8]>]);

// === impl Sorted ===

impl Sorted<'_> {
    pub(super) fn contains(self, name: &[u8]) -> bool {
        let found = self.0.binary_search_by(|key| place(key).cmp(&place(name)));
        found.is_ok()
    }

    /// Whether any of them has this length.
    pub(super) fn has_length(self, bytes: usize) -> bool {
        self.0.binary_search_by_key(&bytes, |key| key.len()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_any_order() {
        let names: [&[u8]; 6] = [b"b", b"acme:long", b"a", b"b", b"", b"ab"];
        let keys: ScriptKeys = names.iter().map(|name| Box::from(*name)).collect();
        assert_eq!(keys.iter().count(), 5);
        let sorted = keys.as_sorted();
        assert!(names.iter().all(|name| sorted.contains(name)));
        assert!(!sorted.contains(b"c") && !sorted.contains(b"acme:lonh"));
        let lengths: Vec<usize> = (0..12).filter(|bytes| sorted.has_length(*bytes)).collect();
        assert_eq!(lengths, [0, 1, 2, 9]);
        assert!(!Sorted::default().contains(b"") && !Sorted::default().has_length(0));
    }
}
