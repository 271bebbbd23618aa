//! Python database drivers: the scripts of `tests/clients`, run in the environment of
//! `scripts/install.sh test`.

use std::path::Path;
use std::process::Command;

use crate::{Run, paths, wait};

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
    Run::of(limited(&python).arg("-I").arg(script).args(args))
}

/// A program that is ended when it hangs: a driver that waits for ever would keep its test from
/// telling so.
pub(crate) fn limited(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    let seconds = wait::DEADLINE.as_secs();
    command.args(["--kill-after=5", &seconds.to_string()]);
    command.arg(program);
    command
}
