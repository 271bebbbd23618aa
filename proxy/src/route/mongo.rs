//! What all MongoDB servers that routes lead to can do: what a door says of itself.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tenantsdb_codecs::feed::route::{Mongo, Topology};

/// Said while no server is known: a driver comes back, and is told better then. The wire versions
/// are those of MongoDB 6.0, the oldest that control registers; any driver takes them.
const NOTHING_KNOWN: Mongo = Mongo {
    min_wire_version: 0,
    max_wire_version: 17,
    topology: Topology::ReplicaSet,
    session_timeout_minutes: Some(30),
};

const NOTHING_KNOWN_VERSION: &str = "6.0.0";

/// What the servers have in common.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    common: ArcSwapOption<Mongo>,
    /// Version of the server with the lowest wire version.
    version: ArcSwapOption<String>,
}

// === impl Offered ===

impl Offered {
    /// Takes note of a server. Called by whoever changes the table.
    pub(super) fn note(&self, server: Mongo, version: &str) {
        let known = self.common.load();
        let lower = known
            .as_deref()
            .is_none_or(|known| server.max_wire_version < known.max_wire_version);
        if lower {
            self.version.store(Some(Arc::new(version.to_owned())));
        }
        let common = match known.as_deref() {
            Some(known) => common(*known, server),
            None => server,
        };
        if known.as_deref() != Some(&common) {
            self.common.store(Some(Arc::new(common)));
        }
    }

    /// Takes the servers of a table in the place of all that it knew, in one step: a driver that is
    /// told in between that nothing is known takes the server for another than it was.
    pub(super) fn replace<'r>(&self, servers: impl Iterator<Item = (Mongo, &'r str)>) {
        let new = Self::default();
        for (server, version) in servers {
            new.note(server, version);
        }
        self.common.store(new.common.into_inner());
        self.version.store(new.version.into_inner());
    }

    /// The lowest version.
    pub(super) fn version(&self) -> Arc<String> {
        let known = self.version.load_full();
        known.unwrap_or_else(|| Arc::new(NOTHING_KNOWN_VERSION.to_owned()))
    }

    /// What they have in common.
    pub(super) fn offered(&self) -> Mongo {
        self.common
            .load()
            .as_deref()
            .copied()
            .unwrap_or(NOTHING_KNOWN)
    }
}

fn common(one: Mongo, other: Mongo) -> Mongo {
    let timeouts = [one, other].map(|server| server.session_timeout_minutes);
    let topology = common_topology(one.topology, other.topology);
    let mixed = topology == Topology::Sharded
        && [one, other]
            .iter()
            .any(|server| server.topology == Topology::Standalone);
    Mongo {
        min_wire_version: one.min_wire_version.max(other.min_wire_version),
        max_wire_version: one.max_wire_version.min(other.max_wire_version),
        topology,
        session_timeout_minutes: match timeouts {
            [Some(one), Some(other)] if !mixed => Some(one.min(other)),
            _ => None,
        },
    }
}

/// A driver that takes a standalone for more begins transactions and retries writes there, which it
/// refuses; but one that has talked to a mongos lets go for good of what says that it is a
/// standalone now. So a standalone beside others makes a mongos without sessions of all of them:
/// without those a driver does neither.
fn common_topology(one: Topology, other: Topology) -> Topology {
    if one == other { one } else { Topology::Sharded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_offers_what_all_its_servers_can_do() {
        let offered = Offered::default();
        assert_eq!(offered.offered(), NOTHING_KNOWN);
        let new = Mongo {
            min_wire_version: 6,
            max_wire_version: 25,
            topology: Topology::ReplicaSet,
            session_timeout_minutes: Some(30),
        };
        offered.note(new, "8.0.4");
        assert_eq!(offered.offered(), new);
        let old = Mongo {
            min_wire_version: 0,
            max_wire_version: 21,
            topology: Topology::Standalone,
            session_timeout_minutes: Some(30),
        };
        offered.note(old, "7.0.14");
        assert_eq!(*offered.version(), "7.0.14");
        let both = Mongo {
            min_wire_version: 6,
            max_wire_version: 21,
            topology: Topology::Sharded,
            session_timeout_minutes: None,
        };
        assert_eq!(offered.offered(), both);
        offered.note(new, "8.0.4");
        assert_eq!(offered.offered(), both);
        offered.replace([(old, "7.0.14"), (old, "7.0.14")].into_iter());
        assert_eq!(offered.offered(), old);
        offered.replace(std::iter::empty());
        assert_eq!(offered.offered(), NOTHING_KNOWN);
    }
}
