//! The servers' and clients' programs, as `scripts/redis.sh` finds them.

use std::collections::HashMap;
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use super::Flavour;
use crate::paths;

/// `redis-server`, `valkey-cli`, …: what a flavour's program of that name is started with.
///
/// # Panics
///
/// Where it is missing, with the command that installs it.
#[must_use]
pub fn program(flavour: Flavour, name: &str) -> Command {
    static FOUND: OnceLock<Mutex<HashMap<String, Vec<String>>>> = OnceLock::new();
    let full = format!("{}-{name}", flavour.name());
    let mut found = FOUND.get_or_init(Mutex::default).lock();
    let found = found.as_mut().expect("no one panics with it");
    let words = match found.get(&full) {
        Some(words) => words.clone(),
        None => {
            let words = look(&full);
            found.insert(full.clone(), words.clone().unwrap_or_default());
            words.unwrap_or_default()
        }
    };
    let (first, rest) = words.split_first().unwrap_or_else(|| {
        panic!("there is no {full} here; run: scripts/install.sh test");
    });
    let mut command = Command::new(first);
    command.args(rest);
    command
}

fn look(full: &str) -> Option<Vec<String>> {
    let script = paths::repository().join("scripts/redis.sh");
    let found = Command::new("bash").arg(&script).arg(full).output();
    let found = found.expect("bash runs");
    let words = String::from_utf8_lossy(&found.stdout).into_owned();
    found
        .status
        .success()
        .then(|| words.lines().map(str::to_owned).collect())
}
