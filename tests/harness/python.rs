//! Python database drivers: the scripts of `tests/clients`, run in the environment of
//! `scripts/install.sh test`.

use std::process::Command;

use crate::{Run, paths};

/// Runs `tests/clients/<script>.py` with arguments.
///
/// # Panics
///
/// If the environment is missing.
#[must_use]
pub fn run(script: &str, args: &[&str]) -> Run {
    let python = paths::repository().join(".venv/bin/python");
    assert!(
        python.is_file(),
        "{} is missing; run: scripts/install.sh test",
        python.display()
    );
    let script = paths::repository().join(format!("tests/clients/{script}.py"));
    // -I: nothing of the user's own Python settings and folders.
    Run::of(Command::new(python).arg("-I").arg(script).args(args))
}
