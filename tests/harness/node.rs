//! Node.js database drivers: the scripts of `tests/clients/node`, run with what
//! `scripts/install.sh test` put into `.node`.

use std::path::Path;

use crate::{Run, paths, python};

/// Runs `tests/clients/node/<script>.js` with arguments.
///
/// # Panics
///
/// If the drivers are missing.
#[must_use]
pub fn run(script: &str, args: &[&str]) -> Run {
    let modules = paths::repository().join(".node/node_modules");
    assert!(
        modules.is_dir(),
        "{} is missing; run: scripts/install.sh test",
        modules.display()
    );
    let script = paths::repository().join(format!("tests/clients/node/{script}.js"));
    let mut command = python::limited(Path::new("node"));
    Run::of(command.arg(script).args(args).env("NODE_PATH", modules))
}
