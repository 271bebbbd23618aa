//! Comparing schemas by their dumps.

use std::process::Command;
use std::sync::OnceLock;

use crate::{Run, paths};

/// The schema of a database as text that is equal for equal schemas: `pg_dump` without data,
/// owners, privileges and the schema `tenantsdb`, less that schema's event triggers.
///
/// # Panics
///
/// If `pg_dump` fails.
#[must_use]
#[track_caller]
pub fn schema(url: &str) -> String {
    let mut command = Command::new(pg_dump());
    command.args(["-s", "-O", "-x", "-N", "tenantsdb", "-d", url]);
    if has_restrict_key() {
        command.arg("--restrict-key=x");
    }
    without_own_triggers(&Run::of(&mut command).out())
}

/// The server's own `pg_dump`.
#[must_use]
pub fn pg_dump() -> std::path::PathBuf {
    paths::postgres_bin().join("pg_dump")
}

/// Since 15.14 each dump holds a random key unless one is given:
/// <https://www.postgresql.org/docs/15/app-pgdump.html>.
fn has_restrict_key() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        let help = Run::of(Command::new(pg_dump()).arg("--help")).out();
        help.contains("--restrict-key")
    })
}

/// Drops the entries of `tenantsdb`'s event triggers. An entry starts at a line `-- Name: …`
/// between two lines `--` and reaches to the next.
fn without_own_triggers(dump: &str) -> String {
    // Event triggers stand last, and what closes every dump would go with them.
    let end = dump.find("\n--\n-- PostgreSQL database dump complete");
    let dump = dump.get(..end.unwrap_or(dump.len())).unwrap_or(dump);
    dump.split("\n--\n-- Name: ")
        .filter(|entry| {
            let head = entry.lines().next().unwrap_or_default();
            let trigger = head.starts_with("tenantsdb_") && head.contains("Type: EVENT TRIGGER");
            let comment_on_one = head.starts_with("EVENT TRIGGER tenantsdb_");
            !trigger && !comment_on_one
        })
        .collect::<Vec<_>>()
        .join("\n--\n-- Name: ")
}
