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

    /// Forgets all, for a table that is replaced.
    pub(super) fn clear(&self) {
        self.common.store(None);
        self.version.store(None);
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
    Mongo {
        min_wire_version: one.min_wire_version.max(other.min_wire_version),
        max_wire_version: one.max_wire_version.min(other.max_wire_version),
        topology: common_topology(one.topology, other.topology),
        session_timeout_minutes: match timeouts {
            [Some(one), Some(other)] => Some(one.min(other)),
            _ => None,
        },
    }
}

/// A driver that takes a standalone for more begins transactions and retries writes there, which it
/// refuses.
fn common_topology(one: Topology, other: Topology) -> Topology {
    match (one, other) {
        (Topology::Standalone, _) | (_, Topology::Standalone) => Topology::Standalone,
        (Topology::ReplicaSet, Topology::ReplicaSet) => Topology::ReplicaSet,
        _ => Topology::Sharded,
    }
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
            session_timeout_minutes: None,
        };
        offered.note(old, "7.0.14");
        assert_eq!(*offered.version(), "7.0.14");
        let both = Mongo {
            min_wire_version: 6,
            max_wire_version: 21,
            topology: Topology::Standalone,
            session_timeout_minutes: None,
        };
        assert_eq!(offered.offered(), both);
        offered.clear();
        assert_eq!(offered.offered(), NOTHING_KNOWN);
    }
}
