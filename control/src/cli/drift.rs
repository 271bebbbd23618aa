//! `tdb tenants drift`: what no version put into a tenant's databases.

use std::fmt::Write;

use super::Session;
use super::error::Error;
use crate::client::types::{Difference, Drift};

pub(super) async fn show(tenant: &str, session: &mut Session<'_>) -> Result<(), Error> {
    let reply = session.client()?.tenant_drift(tenant).await?;
    let differences = reply.value.databases.iter().flat_map(|one| &one.drift);
    let objects: Vec<&str> = differences.map(|one| one.object.as_str()).collect();
    session.print(&reply.body, &objects, &text(&reply.value))
}

fn text(drift: &Drift) -> String {
    let mut text = String::new();
    for database in &drift.databases {
        let (name, version) = (&database.database, &database.version);
        if database.drift.is_empty() {
            let _ = writeln!(text, "{name} is as version {version} says.");
            continue;
        }
        let _ = writeln!(text, "{name} is not as version {version} says:");
        for Difference { object, how } in &database.drift {
            let _ = writeln!(text, "  {how:<9}  {object}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::types::DriftedDatabase;

    #[test]
    fn drift_is_printed_to_the_byte() {
        let database = |name: &str, drift: &[(&str, &str)]| DriftedDatabase {
            database: name.to_owned(),
            version: "1.2".to_owned(),
            drift: drift
                .iter()
                .map(|(how, object)| Difference {
                    how: (*how).to_owned(),
                    object: (*object).to_owned(),
                })
                .collect(),
        };
        let found = [("extra", "collection log"), ("different", "index users.a")];
        let databases = vec![database("a__acme", &[]), database("b__acme", &found)];
        assert_eq!(
            text(&Drift { databases }),
            "\
a__acme is as version 1.2 says.
b__acme is not as version 1.2 says:
  extra      collection log
  different  index users.a
"
        );
    }
}
