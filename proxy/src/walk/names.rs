//! What belongs to the tenant: its names have the prefix on the server, and not for the client.

use tenantsdb_codecs::redis::prefix::{KEYSPACE, channel_in, channel_out, pattern_in, strip};

/// The names of one tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    prefix: &'a [u8],
}

impl<'a> Names<'a> {
    /// Those that begin with this on the server.
    pub(crate) const fn new(prefix: &'a [u8]) -> Self {
        Self { prefix }
    }

    /// A name of the server's as the client knows it, if it is the tenant's.
    pub(super) fn strip<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        strip(self.prefix, name)
    }

    /// A pattern of the client's as the server is to read it.
    pub(super) fn pattern(&self, pattern: &[u8]) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.prefix.len() + pattern.len());
        pattern_in(self.prefix, pattern, &mut whole);
        whole
    }

    /// A name of the client's as the server knows it.
    pub(super) fn name(&self, name: &[u8]) -> Vec<u8> {
        [self.prefix, name].concat()
    }

    /// The pattern of all names of channels about keys.
    pub(super) fn keyspace_pattern(&self) -> Vec<u8> {
        let mut whole = KEYSPACE.to_vec();
        pattern_in(self.prefix, b"*", &mut whole);
        whole
    }

    /// A channel of the client's as the server knows it; `None` if it is of the whole server.
    pub(super) fn channel(&self, channel: &[u8]) -> Option<Vec<u8>> {
        let mut whole = Vec::with_capacity(self.prefix.len() + channel.len());
        channel_in(self.prefix, channel, &mut whole).ok()?;
        Some(whole)
    }

    /// A channel as the client knows it, if it is the tenant's.
    pub(super) fn strip_channel(&self, channel: &[u8]) -> Option<Vec<u8>> {
        let (head, tail) = channel_out(self.prefix, channel)?;
        Some([head, tail].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_tenants_or_nobodys() {
        let names = Names::new(b"acme:");
        assert_eq!(names.strip(b"acme:user:1"), Some(&b"user:1"[..]));
        assert_eq!(names.strip(b"acme:"), Some(&b""[..]));
        assert_eq!(names.strip(b"acme"), None);
        assert_eq!(names.strip(b"acme2:user:1"), None);
        assert_eq!(names.pattern(b"user:*"), b"acme:user:*");
        assert_eq!(Names::new(b"a*b:").pattern(b"?"), b"a\\*b:?");
    }

    #[test]
    fn a_channel_about_a_key_has_the_prefix_before_the_key() {
        let names = Names::new(b"acme:");
        assert_eq!(names.channel(b"news").unwrap(), b"acme:news");
        assert_eq!(names.channel(b"__keyevent@0__:del"), None);
        let about = names.channel(b"__keyspace@0__:user").unwrap();
        assert_eq!(about, b"__keyspace@0__:acme:user");
        let back = names.strip_channel(&about);
        assert_eq!(back.as_deref(), Some(&b"__keyspace@0__:user"[..]));
        assert_eq!(names.strip_channel(b"__keyspace@0__:globex:user"), None);
        assert_eq!(names.strip_channel(b"acme:user").unwrap(), b"user");
        assert_eq!(names.strip_channel(b"globex:user"), None);
    }
}
