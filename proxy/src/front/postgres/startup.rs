//! A StartupMessage, as far as it is the proxy's business.

use tenantsdb_codecs::postgres::startup::{self as wire, ProtocolVersion};

use super::refuse::Refusal;

/// Options of the protocol itself, not settings. None is known here.
const PROTOCOL_OPTION_PREFIX: &str = "_pq_.";

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Startup {
    /// The version that is spoken with it from here on.
    pub(super) version: ProtocolVersion,
    /// The client asked for something newer, or for these options: it must be told.
    pub(super) negotiate: Option<Vec<String>>,
    pub(super) user: String,
    pub(super) database: String,
    /// May differ from session to session of one pooled connection; empty if there is none.
    pub(super) application_name: String,
    /// All other parameters, once each, in the client's order.
    pub(super) settings: Vec<(String, String)>,
}

impl Startup {
    /// Sorts the parameters out.
    ///
    /// # Errors
    ///
    /// No user, or a wish for replication.
    pub(super) fn read(startup: &wire::Startup<'_>) -> Result<Self, Refusal> {
        let mut read = Self {
            version: startup.version.min(ProtocolVersion::V3_2),
            negotiate: None,
            user: String::new(),
            database: String::new(),
            application_name: String::new(),
            settings: Vec::new(),
        };
        let mut unknown = Vec::new();
        for (name, value) in startup.parameters.iter() {
            match name {
                "user" => value.clone_into(&mut read.user),
                "database" => value.clone_into(&mut read.database),
                "application_name" => value.clone_into(&mut read.application_name),
                "replication" if is_false(value) => {}
                "replication" => return Err(Refusal::Replication),
                _ if name.starts_with(PROTOCOL_OPTION_PREFIX) => unknown.push(name.to_owned()),
                _ => read.set(name, value),
            }
        }
        if read.user.is_empty() {
            return Err(Refusal::NoUser);
        }
        if read.database.is_empty() {
            read.database.clone_from(&read.user);
        }
        if startup.version > ProtocolVersion::V3_2 || !unknown.is_empty() {
            read.negotiate = Some(unknown);
        }
        Ok(read)
    }

    /// The last value of a name counts, as in the server.
    fn set(&mut self, name: &str, value: &str) {
        match self.settings.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.settings.push((name.to_owned(), value.to_owned())),
        }
    }
}

/// The server takes a boolean, or the word `database`; of a boolean any beginning that is clear.
fn is_false(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    let begins = |word: &str, least: usize| value.len() >= least && word.starts_with(&value);
    value == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2)
}

#[cfg(test)]
mod tests {
    use tenantsdb_codecs::postgres::startup::{StartupPacket, decode, encode_startup};

    use super::*;

    fn read(version: ProtocolVersion, parameters: &[(&str, &str)]) -> Result<Startup, Refusal> {
        let mut packet = Vec::new();
        encode_startup(version, parameters.iter().copied(), &mut packet).unwrap();
        match decode(&packet).unwrap() {
            Some((StartupPacket::Startup(startup), _)) => Startup::read(&startup),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_database_is_the_user_where_it_is_not_named() {
        let startup = read(ProtocolVersion::V3_0, &[("user", "a__b")]).unwrap();
        assert_eq!(startup.database, "a__b");
        assert_eq!(startup.negotiate, None);
    }

    #[test]
    fn without_a_user_there_is_no_login() {
        let refused = read(ProtocolVersion::V3_0, &[("database", "a__b")]);
        assert!(matches!(refused, Err(Refusal::NoUser)), "{refused:?}");
    }

    #[test]
    fn settings_are_kept_once_and_apart_from_names() {
        let startup = read(
            ProtocolVersion::V3_0,
            &[
                ("user", "u"),
                ("TimeZone", "UTC"),
                ("application_name", "psql"),
                ("options", "-c geqo=off"),
                ("TimeZone", "Europe/Berlin"),
                ("replication", "off"),
            ],
        );
        let startup = startup.unwrap();
        let expected = [("TimeZone", "Europe/Berlin"), ("options", "-c geqo=off")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(startup.settings, expected);
        assert_eq!(startup.application_name, "psql");
    }

    #[test]
    fn replication_is_refused() {
        for value in ["true", "on", "1", "database", "o"] {
            let refused = read(
                ProtocolVersion::V3_0,
                &[("user", "u"), ("replication", value)],
            );
            assert!(matches!(refused, Err(Refusal::Replication)), "{value}");
        }
    }

    #[test]
    fn what_is_newer_is_negotiated_down() {
        let newer = ProtocolVersion {
            major: 3,
            minor: 9999,
        };
        let startup = read(newer, &[("user", "u"), ("_pq_.magic", "1")]).unwrap();
        assert_eq!(startup.version, ProtocolVersion::V3_2);
        assert_eq!(startup.negotiate, Some(vec!["_pq_.magic".to_owned()]));
        assert!(startup.settings.is_empty());
        let startup = read(ProtocolVersion::V3_0, &[("user", "u"), ("_pq_.magic", "1")]).unwrap();
        assert_eq!(startup.version, ProtocolVersion::V3_0);
        assert!(startup.negotiate.is_some());
    }
}
