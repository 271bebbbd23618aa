//! Where things are: the checkout, the built programs, scratch folders, PostgreSQL's programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The checkout.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate stands in a folder of the checkout")
}

/// The folder that cargo built into, such as `target/debug`: the running test lies in its `deps`.
#[must_use]
pub fn build_output() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let output = test.ancestors().nth(2);
    output
        .expect("cargo puts tests into <profile>/deps")
        .to_owned()
}

/// A program of this workspace.
///
/// # Panics
///
/// If it was not built: cargo builds the programs of other packages only when it is asked to.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let path = build_output().join(name);
    assert!(
        path.is_file(),
        "{} is missing; run: cargo build --workspace (or: make test)",
        path.display()
    );
    path
}

/// An empty folder for one test: its data and its logs.
#[must_use]
pub fn scratch(test: &str) -> PathBuf {
    let dir = build_output()
        .with_file_name("tmp")
        .join(format!("{test}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    dir
}

/// The folder of PostgreSQL's own programs, as `scripts/postgres.sh` finds it.
#[must_use]
pub fn postgres_bin() -> &'static Path {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| {
        let script = repository().join("scripts/postgres.sh");
        let found = Command::new("bash")
            .args(["-c", ". \"$0\"; postgres_bin"])
            .arg(&script)
            .output()
            .expect("bash runs");
        let bin = String::from_utf8_lossy(&found.stdout).into_owned();
        assert!(
            !bin.is_empty(),
            "no PostgreSQL 15 or later here; run: scripts/install.sh test"
        );
        PathBuf::from(bin)
    })
}

/// A command that runs as the user who owns the database servers: `postgres` for root, because
/// PostgreSQL refuses root; otherwise whoever runs the tests. The process becomes the program.
#[must_use]
pub fn as_postgres(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    command.args(["--reset-env", "--"]);
    command.arg(program);
    command
}

/// A folder for database clusters that their user can reach: below the build output, or below the
/// temporary directory where that user cannot search the path.
pub(crate) fn clusters() -> &'static Path {
    static CLUSTERS: OnceLock<PathBuf> = OnceLock::new();
    CLUSTERS.get_or_init(|| {
        let output = build_output();
        let base = if searchable(&output) {
            output.with_file_name("tmp")
        } else {
            std::env::temp_dir()
        };
        let uid = rustix::process::geteuid().as_raw();
        let dir = base.join(format!("tenantsdb-clusters-{uid}"));
        fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        give_to_postgres(&dir);
        dir
    })
}

fn searchable(dir: &Path) -> bool {
    let mut test = as_postgres(Path::new("/usr/bin/test"));
    test.arg("-x").arg(dir).stdin(Stdio::null());
    test.status().is_ok_and(|status| status.success())
}

/// Makes the servers' user own a folder; nothing to do where that user made it.
fn give_to_postgres(dir: &Path) {
    if rustix::process::geteuid().is_root() {
        let chown = Command::new("chown").arg("postgres:").arg(dir).status();
        assert!(chown.is_ok_and(|s| s.success()), "chown postgres {dir:?}");
    }
}
