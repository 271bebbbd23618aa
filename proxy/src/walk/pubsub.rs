//! PUBSUB of a client: channels of its own that anybody is subscribed to.

use std::cell::Cell;

use tenantsdb_codecs::limits::{REDIS_PATTERN_BYTES_MAX, REDIS_PATTERN_STEPS_MAX};
use tenantsdb_codecs::redis::glob;
use tenantsdb_codecs::redis::value::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Error, Walker};

/// Which channels are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channels {
    /// Those of SUBSCRIBE.
    Plain,
    /// Those of SSUBSCRIBE.
    Shard,
}

impl Channels {
    const fn list(self) -> &'static [u8] {
        match self {
            Self::Plain => b"CHANNELS",
            Self::Shard => b"SHARDCHANNELS",
        }
    }

    const fn counts(self) -> &'static [u8] {
        match self {
            Self::Plain => b"NUMSUB",
            Self::Shard => b"SHARDNUMSUB",
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Walker<'_, S> {
    /// The client's channels that its pattern means. Not cancel safe, as
    /// [`super::ask::Asker::ask`].
    ///
    /// # Errors
    ///
    /// The server's answer, or none; a pattern that is too long, or takes too long.
    pub(crate) async fn channels(
        &mut self,
        kind: Channels,
        pattern: Option<&[u8]>,
    ) -> Result<Vec<Vec<u8>>, Error> {
        if pattern.is_some_and(|pattern| pattern.len() > REDIS_PATTERN_BYTES_MAX) {
            return Err(Error::TooMuch("a pattern may have 1024 bytes"));
        }
        let names = self.names;
        let own = names.pattern(pattern.unwrap_or(b"*"));
        let mut found = self
            .ask_channels(kind, &own, |name| names.strip(name).map(<[u8]>::to_vec))
            .await?;
        if kind == Channels::Plain {
            let about_keys = names.keyspace_pattern();
            let (steps, is_over) = (Cell::new(REDIS_PATTERN_STEPS_MAX), Cell::new(false));
            let about_keys = self.ask_channels(kind, &about_keys, |name| {
                let name = names.strip_channel(name)?;
                let Some(pattern) = pattern else {
                    return Some(name);
                };
                let mut left = steps.get();
                let is_meant = glob::matches_within(pattern, &name, &mut left);
                steps.set(left);
                is_over.set(is_over.get() || is_meant.is_none());
                is_meant.unwrap_or_default().then_some(name)
            });
            found.extend(about_keys.await?);
            if is_over.get() {
                return Err(Error::TooMuch("the pattern takes too long to match"));
            }
        }
        Ok(found)
    }

    /// How many sessions are subscribed to each of these. Not cancel safe, as
    /// [`super::ask::Asker::ask`].
    ///
    /// # Errors
    ///
    /// The server's answer, or none.
    pub(crate) async fn subscribers(
        &mut self,
        kind: Channels,
        channels: &[&[u8]],
    ) -> Result<Vec<i64>, Error> {
        let wrong = || Error::Unexpected("PUBSUB NUMSUB");
        let asked: Vec<Option<Vec<u8>>> =
            channels.iter().map(|it| self.channel(kind, it)).collect();
        let mut words: Vec<&[u8]> = vec![b"PUBSUB", kind.counts()];
        words.extend(asked.iter().flatten().map(Vec::as_slice));
        let _turn = self.server.turn().await;
        let Value::Array(answer) = self.asker.ask(&words).await? else {
            return Err(wrong());
        };
        let mut pairs = answer.chunks(2);
        let mut counts = Vec::with_capacity(channels.len());
        for channel in &asked {
            // Of channels of the whole server a tenant has no subscriber.
            let count = match channel.as_ref().map(|_| pairs.next()) {
                None => 0,
                Some(Some([_, Value::Integer(count)])) => *count,
                Some(_) => return Err(wrong()),
            };
            counts.push(count);
        }
        Ok(counts)
    }

    fn channel(&self, kind: Channels, channel: &[u8]) -> Option<Vec<u8>> {
        match kind {
            Channels::Plain => self.names.channel(channel),
            Channels::Shard => Some(self.names.name(channel)),
        }
    }

    async fn ask_channels(
        &mut self,
        kind: Channels,
        pattern: &[u8],
        own: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let wrong = || Error::Unexpected("PUBSUB CHANNELS");
        let _turn = self.server.turn().await;
        let answer = self.asker.ask(&[b"PUBSUB", kind.list(), pattern]).await?;
        let Value::Array(found) = answer else {
            return Err(wrong());
        };
        let mut channels = Vec::new();
        for name in &found {
            let Value::Bulk(name) = name else {
                return Err(wrong());
            };
            channels.extend(own(name));
        }
        Ok(channels)
    }
}
