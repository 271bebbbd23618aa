//! Collections that are not there before a write, and may be afterwards.

use std::collections::BTreeSet;

use tenantsdb_codecs::feed::capture::{CapturedStatement, IMPLICIT, Outcome};
use tracing::warn;

use super::server::{Error, Server, list};
use super::{done, unknown, unknown_part};
use crate::context::Context;
use crate::ddl::mongo::{Effect, Implicit, Part};

/// What may come into being.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// Nothing: the collections that are written to are there.
    Nothing,
    /// This collection.
    Named(Implicit),
    /// Any that is not among these.
    Other(BTreeSet<String>),
    /// The server does not say what there is.
    Unknown,
}

impl Absent {
    /// What there is before a command.
    pub(super) async fn look<S: Server>(
        context: &Context,
        server: &mut S,
        database: &str,
        effect: &Effect,
    ) -> Result<Self, Error<S::Error>> {
        let implicit = match effect {
            Effect::None => None,
            Effect::Structural(structural) => structural.may_create.as_ref(),
            Effect::MayCreate(implicit) => Some(implicit),
            Effect::MayCreateAny => {
                let found = list(context, server, database, None).await?;
                return Ok(found.map_or_else(unsaid, Self::Other));
            }
        };
        let Some(implicit) = implicit else {
            return Ok(Self::Nothing);
        };
        let found = list(context, server, database, Some(&implicit.name)).await?;
        Ok(match found {
            Some(found) if found.contains(&implicit.name) => Self::Nothing,
            Some(_) => Self::Named(implicit.clone()),
            None => unsaid(),
        })
    }

    /// As long as nobody knows what has come into being.
    pub(super) fn unknown(&self) -> Vec<CapturedStatement> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Named(implicit) => vec![CapturedStatement {
                outcome: Outcome::Unknown,
                ..made(implicit)
            }],
            Self::Other(_) | Self::Unknown => vec![unknown("")],
        }
    }

    /// What has come into being, after the command.
    pub(super) async fn settle<S: Server>(
        &self,
        context: &Context,
        server: &mut S,
        database: &str,
    ) -> (Vec<CapturedStatement>, Result<(), Error<S::Error>>) {
        let name = match self {
            Self::Nothing => return (Vec::new(), Ok(())),
            Self::Unknown => return (self.unknown(), Ok(())),
            Self::Named(implicit) => Some(implicit.name.as_str()),
            Self::Other(_) => None,
        };
        let found = match list(context, server, database, name).await {
            Ok(Some(found)) => found,
            Ok(None) => return (self.unknown(), Ok(())),
            Err(error) => return (self.unknown(), Err(error)),
        };
        let statements = match self {
            Self::Named(implicit) if found.contains(&implicit.name) => vec![made(implicit)],
            Self::Other(before) => {
                let new = found.difference(before);
                new.filter_map(|name| Implicit::new(name))
                    .map(|implicit| made(&implicit))
                    .collect()
            }
            _ => Vec::new(),
        };
        (statements, Ok(()))
    }
}

fn unsaid() -> Absent {
    warn!("the server does not list the collections of a workspace");
    Absent::Unknown
}

fn made(implicit: &Implicit) -> CapturedStatement {
    CapturedStatement {
        tag: IMPLICIT.to_owned(),
        ..done(&implicit.text)
    }
}

/// What a transaction that was committed has done: of its writes, those that have made a
/// collection, each once.
pub(super) async fn committed<S: Server>(
    context: &Context,
    server: &mut S,
    database: &str,
    parts: &[Part],
) -> (Vec<CapturedStatement>, Result<(), Error<S::Error>>) {
    let all_unknown = || parts.iter().map(unknown_part).collect();
    let mut found = BTreeSet::new();
    if parts.iter().any(|part| part.implicit) {
        match list(context, server, database, None).await {
            Ok(Some(names)) => found = names,
            Ok(None) => return (all_unknown(), Ok(())),
            Err(error) => return (all_unknown(), Err(error)),
        }
    }
    let mut seen = BTreeSet::new();
    let mut statements = Vec::new();
    for part in parts {
        let new = part.makes.as_ref().is_none_or(|name| seen.insert(name));
        let there = part.makes.as_ref().is_some_and(|name| found.contains(name));
        if !part.implicit || (new && there) {
            let outcome = match part.text.is_empty() {
                true => Outcome::Unknown,
                false => Outcome::Done,
            };
            let unknown = unknown_part(part);
            statements.push(CapturedStatement { outcome, ..unknown });
        }
    }
    (statements, Ok(()))
}
