//! The promises on MongoDB's protocol. The server is what this machine has (`scripts/mongo.sh`).

use tenantsdb_tests::MongoFleet;
use tenantsdb_tests::mongo::{self, Database};

mod battery;
mod capture;
mod deploy;
mod drift;
mod dump;
mod isolation;
mod login;
mod malformed;
mod pool;
mod revoked;
mod walk;

/// A fleet on the shared server, with one blueprint.
struct Blueprint {
    fleet: MongoFleet,
    name: String,
    workspace: Database,
}

impl Blueprint {
    fn start(test: &str) -> Self {
        Self::of(MongoFleet::shared(test, 1))
    }

    /// A blueprint of a name that no other test has.
    fn of(fleet: MongoFleet) -> Self {
        let name = mongo::blueprint();
        let workspace = fleet.workspace(&name);
        Self {
            fleet,
            name,
            workspace,
        }
    }

    fn tenant(&self, name: &str) -> Database {
        self.fleet.tenant(&self.name, name)
    }

    /// A tenant that may change its structure.
    fn tenant_with_ddl(&self, name: &str) -> Database {
        let body = serde_json::json!({"name": name, "blueprint": self.name, "allow_ddl": true});
        self.fleet.tenant_with(&body)
    }
}
