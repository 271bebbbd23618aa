//! Which clients `CLIENT KILL` and `CLIENT LIST` mean.

use std::str::FromStr;

use super::client::{Client, Pins};

/// Clients of a kind, as Redis sorts them. No client of the proxy is a replica or a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Neither of the others.
    Normal,
    /// Subscribed to something.
    PubSub,
    /// A replica, or a master.
    Replication,
}

/// All that is said must hold of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Sorted.
    ids: Option<Vec<i64>>,
    kind: Option<Kind>,
    peer: Option<Box<[u8]>>,
    local: Option<Box<[u8]>>,
    user: Option<Box<[u8]>>,
    age_seconds_min: Option<u64>,
    /// Not the client that asks.
    skip: Option<i64>,
}

/// Why a filter is none. The text is Redis's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Not a word of the command, or one without a value.
    #[error("ERR syntax error")]
    Syntax,
    /// Not a number above zero.
    #[error("ERR client-id should be greater than 0")]
    Id,
    /// Of `CLIENT LIST`.
    #[error("ERR Invalid client ID")]
    ListedId,
    /// Not a kind.
    #[error("ERR Unknown client type '{0}'")]
    Kind(String),
    /// Not seconds.
    #[error("ERR value is not an integer or out of range")]
    Number,
}

// === impl Kind ===

impl Kind {
    fn read(name: &[u8]) -> Result<Self, Error> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Ok(Self::Normal),
            b"pubsub" => Ok(Self::PubSub),
            b"replica" | b"slave" | b"master" => Ok(Self::Replication),
            _ => Err(Error::Kind(String::from_utf8_lossy(name).into_owned())),
        }
    }

    fn of(client: &Client) -> Self {
        if client.seen.pins().has(Pins::SUBSCRIBED) {
            Self::PubSub
        } else {
            Self::Normal
        }
    }
}

// === impl Filter ===

impl Filter {
    /// The old form of `CLIENT KILL`: an address, the own one too.
    pub(crate) fn address(address: &[u8]) -> Self {
        Self {
            peer: Some(address.into()),
            ..Self::default()
        }
    }

    /// The words behind `CLIENT KILL`, in its new form. `own` is the client that asks; it is meant
    /// only by `SKIPME no`.
    ///
    /// # Errors
    ///
    /// Words that are none of the command.
    pub(crate) fn of_kill(words: &[&[u8]], own: i64) -> Result<Self, Error> {
        let mut filter = Self {
            skip: Some(own),
            ..Self::default()
        };
        let mut rest = words;
        while let [option, value, behind @ ..] = rest {
            rest = behind;
            match option.to_ascii_lowercase().as_slice() {
                b"id" => {
                    let mut ids = vec![number(value).filter(|id: &i64| *id > 0).ok_or(Error::Id)?];
                    while let [next, behind @ ..] = rest {
                        let Some(id) = number(next) else { break };
                        ids.push(id);
                        rest = behind;
                    }
                    ids.sort_unstable();
                    filter.ids = Some(ids);
                }
                b"type" => filter.kind = Some(Kind::read(value)?),
                b"addr" => filter.peer = Some((*value).into()),
                b"laddr" => filter.local = Some((*value).into()),
                b"user" => filter.user = Some((*value).into()),
                b"maxage" => filter.age_seconds_min = Some(number(value).ok_or(Error::Number)?),
                b"skipme" if value.eq_ignore_ascii_case(b"yes") => filter.skip = Some(own),
                b"skipme" if value.eq_ignore_ascii_case(b"no") => filter.skip = None,
                _ => return Err(Error::Syntax),
            }
        }
        if rest.is_empty() && !words.is_empty() {
            Ok(filter)
        } else {
            Err(Error::Syntax)
        }
    }

    /// The words behind `CLIENT LIST`: none, a kind, or ids.
    ///
    /// # Errors
    ///
    /// Words that are none of the command.
    pub(crate) fn of_list(words: &[&[u8]]) -> Result<Self, Error> {
        let mut filter = Self::default();
        match words {
            [] => {}
            [option, kind] if option.eq_ignore_ascii_case(b"type") => {
                filter.kind = Some(Kind::read(kind)?);
            }
            [option, ids @ ..] if option.eq_ignore_ascii_case(b"id") && !ids.is_empty() => {
                let ids = ids.iter().map(|id| number(id));
                let mut ids = ids.collect::<Option<Vec<_>>>().ok_or(Error::ListedId)?;
                ids.sort_unstable();
                filter.ids = Some(ids);
            }
            _ => return Err(Error::Syntax),
        }
        Ok(filter)
    }

    /// Whether a client is meant.
    pub(crate) fn means(&self, client: &Client) -> bool {
        let is = |wanted: &Option<Box<[u8]>>, found: &str| {
            wanted
                .as_deref()
                .is_none_or(|wanted| wanted == found.as_bytes())
        };
        self.skip != Some(client.id)
            && self
                .ids
                .as_ref()
                .is_none_or(|ids| ids.binary_search(&client.id).is_ok())
            && self.kind.is_none_or(|kind| kind == Kind::of(client))
            && self
                .age_seconds_min
                .is_none_or(|age| client.age_seconds() >= age)
            && is(&self.user, &client.user)
            && (self.peer.is_none() || is(&self.peer, &client.peer.to_string()))
            && (self.local.is_none() || is(&self.local, &client.local.to_string()))
    }
}

/// A number in decimal digits.
fn number<N: FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::entrance;
    use super::*;

    fn kill(words: &str, own: i64) -> Result<Filter, Error> {
        let words: Vec<&[u8]> = words.split_whitespace().map(str::as_bytes).collect();
        Filter::of_kill(&words, own)
    }

    fn list(words: &str) -> Result<Filter, Error> {
        let words: Vec<&[u8]> = words.split_whitespace().map(str::as_bytes).collect();
        Filter::of_list(&words)
    }

    #[tokio::test(start_paused = true)]
    async fn all_that_is_said_must_hold() {
        let client = Client::new(entrance("app__acme", 1));
        let meant = |words: &str| kill(words, 9).unwrap().means(&client);
        assert!(meant("ID 1099511627777"));
        assert!(meant("ID 1099511627777 8"));
        assert!(!meant("ID 8"));
        assert!(meant(
            "ADDR 192.0.2.1:1 LADDR 192.0.2.9:6380 USER app__acme TYPE normal"
        ));
        assert!(!meant("ADDR 192.0.2.1:1 USER app__globex"));
        assert!(!meant("TYPE pubsub"));
        assert!(!meant("TYPE replica"));
        assert!(!meant("MAXAGE 5"));
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
        assert!(meant("MAXAGE 5"));
        client.seen.set_pins(Pins::SUBSCRIBED);
        assert!(meant("TYPE pubsub"));
        assert!(Filter::address(b"192.0.2.1:1").means(&client));
        assert!(!Filter::address(b"192.0.2.1:2").means(&client));
    }

    #[tokio::test]
    async fn who_asks_is_meant_only_if_it_says_so() {
        let client = Client::new(entrance("app__acme", 1));
        let (own, name) = (client.id, "USER app__acme");
        let meant = |words: &str| kill(words, own).unwrap().means(&client);
        assert!(!meant(name));
        assert!(!meant(&format!("{name} SKIPME yes")));
        assert!(meant(&format!("{name} SKIPME no")));
    }

    #[test]
    fn words_that_are_none_are_refused_as_redis_does() {
        assert_eq!(kill("ID 0", 1), Err(Error::Id));
        assert_eq!(kill("ID x", 1), Err(Error::Id));
        assert_eq!(kill("ID", 1), Err(Error::Syntax));
        assert_eq!(kill("", 1), Err(Error::Syntax));
        assert_eq!(kill("NAME x", 1), Err(Error::Syntax));
        assert_eq!(kill("SKIPME perhaps", 1), Err(Error::Syntax));
        assert_eq!(kill("TYPE x", 1), Err(Error::Kind("x".to_owned())));
        assert_eq!(list("TYPE"), Err(Error::Syntax));
        assert_eq!(list("ID 1 x"), Err(Error::ListedId));
        assert!(list("").is_ok() && list("type NORMAL").is_ok() && list("id 1 2").is_ok());
    }
}
