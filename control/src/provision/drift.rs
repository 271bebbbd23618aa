//! What a database has that its version has not, or the other way round.

use std::fmt;

use super::{Error, Provisioner, Server};
use crate::blueprint::Snapshot;

/// An object that is not as the version has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Kind and name: `collection log`, `index users.email_1`, `table users`.
    pub object: String,
    /// What is the matter with it.
    pub how: How,
}

/// What an object of a database is, beside its version's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Only the database has it.
    Extra,
    /// Only the version has it.
    Missing,
    /// It is another; on PostgreSQL, whose comparison does not tell, also one of the above.
    Different,
}

impl Provisioner {
    /// How a database differs from version 1.`ordinal`, whose template must be there, sorted by
    /// object. Redis databases have no structure of their own, and never do.
    ///
    /// # Errors
    ///
    /// The server's; [`Error::NoTemplate`].
    pub async fn drift(
        &self,
        blueprint: &str,
        ordinal: u32,
        database: &str,
    ) -> Result<Vec<Difference>, Error> {
        if matches!(&self.server, Server::Postgres(_) | Server::Redis(_)) {
            return match self.template_check(blueprint, ordinal, database).await {
                Err(Error::NotDeployable(objects)) => Ok(objects.into_iter().map(other).collect()),
                checked => checked.map(|()| Vec::new()),
            };
        }
        let version = self.template_snapshot(blueprint, ordinal).await?;
        let now = self.snapshot(database).await?;
        Ok(differences(&version, &now))
    }
}

fn other(object: String) -> Difference {
    Difference {
        object,
        how: How::Different,
    }
}

fn differences(version: &Snapshot, now: &Snapshot) -> Vec<Difference> {
    let changed = version.changed(now).into_iter();
    let difference = |object: String| Difference {
        how: match (version.0.contains_key(&object), now.0.contains_key(&object)) {
            (false, _) => How::Extra,
            (true, false) => How::Missing,
            (true, true) => How::Different,
        },
        object,
    };
    changed.map(difference).collect()
}

// === impl How ===

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Extra => "extra",
            Self::Missing => "missing",
            Self::Different => "different",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_extra_missing_and_different_is_told_apart() {
        let snapshot = |objects: &[(&str, &str)]| {
            let owned = |(key, text): &(&str, &str)| ((*key).to_owned(), (*text).to_owned());
            Snapshot(objects.iter().map(owned).collect())
        };
        let version = snapshot(&[("table a", "1"), ("table b", "1"), ("table c", "1")]);
        let now = snapshot(&[("table a", "1"), ("table b", "2"), ("table d", "1")]);
        let found = differences(&version, &now);
        let found: Vec<(&str, How)> = found
            .iter()
            .map(|one| (one.object.as_str(), one.how))
            .collect();
        let expected = [
            ("table b", How::Different),
            ("table c", How::Missing),
            ("table d", How::Extra),
        ];
        assert_eq!(found, expected);
    }
}
