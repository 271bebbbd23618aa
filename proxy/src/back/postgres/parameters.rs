//! The settings that a server reports, kept as the messages that report them.

use tenantsdb_codecs::postgres::frame::frame;
use tenantsdb_codecs::postgres::server::ParameterStatus;

/// ParameterStatus messages, one for each setting, in the order in which they first came. A dozen;
/// kept encoded, since all that is done with them is to send them to the next client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    messages: Vec<u8>,
}

impl Parameters {
    /// The messages, for a client that logs in.
    pub(crate) fn messages(&self) -> &[u8] {
        &self.messages
    }

    /// The value of a setting.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.iter();
        all.find(|(_, status)| status.name == name)
            .map(|(_, status)| status.value)
    }

    /// Notes a setting's new value.
    pub(crate) fn set(&mut self, status: &ParameterStatus<'_>) {
        let mut message = Vec::new();
        if status.encode(&mut message).is_err() {
            return; // it was decoded from such a message
        }
        let place = self.iter().find(|(_, known)| known.name == status.name);
        match place.map(|(place, _)| place) {
            Some(place) => drop(self.messages.splice(place, message)),
            None => self.messages.extend_from_slice(&message),
        }
    }

    /// Each setting and the place of its message.
    fn iter(&self) -> impl Iterator<Item = (std::ops::Range<usize>, ParameterStatus<'_>)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let rest = self.messages.get(at..)?;
            let found = frame(rest, rest.len()).ok()??;
            let place = at..at + found.bytes;
            at = place.end;
            Some((place, ParameterStatus::decode(found.body).ok()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_value_takes_the_place_of_the_old_one() {
        let mut parameters = Parameters::default();
        let set = [
            ("a", "1"),
            ("TimeZone", "UTC"),
            ("b", ""),
            ("TimeZone", "Europe/Berlin"),
        ];
        for (name, value) in set {
            parameters.set(&ParameterStatus { name, value });
        }
        let all: Vec<_> = parameters
            .iter()
            .map(|(_, status)| (status.name, status.value))
            .collect();
        assert_eq!(all, [("a", "1"), ("TimeZone", "Europe/Berlin"), ("b", "")]);
        assert_eq!(parameters.get("b"), Some(""));
        assert_eq!(parameters.get("c"), None);
        assert!(parameters.messages().starts_with(b"S\0\0\0\x08a\x001\0S"));
    }
}
