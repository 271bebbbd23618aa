//! The server's and the shell's programs, as `scripts/mongo.sh` finds them.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::{Run, paths, python};

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// MongoDB's own.
    Mongod,
    /// SecantusDB in Rust: compression, and cursors that belong to their user.
    SecantusRs,
    /// SecantusDB in Python.
    SecantusPy,
}

fn script(arguments: &[&str]) -> Vec<String> {
    let script = paths::repository().join("scripts/mongo.sh");
    let words = Run::of(Command::new("bash").arg(script).args(arguments)).out();
    words.lines().map(str::to_owned).collect()
}

/// Which server this machine has.
///
/// # Panics
///
/// Where it has none, with the command that installs it.
#[must_use]
pub fn kind() -> Kind {
    static KIND: OnceLock<Kind> = OnceLock::new();
    *KIND.get_or_init(|| match script(&["server"])[0].as_str() {
        "mongod" => Kind::Mongod,
        "secantusd-rs" => Kind::SecantusRs,
        _ => Kind::SecantusPy,
    })
}

/// The server on this data and port; `closed` once it has an administrator.
///
/// # Panics
///
/// As [`kind`].
#[must_use]
pub fn server(data: &Path, port: u16, closed: bool) -> Command {
    let data = data.to_str().expect("paths here are UTF-8");
    let closed = if closed { "yes" } else { "no" };
    let words = script(&["command", data, &port.to_string(), closed]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// `scripts/mongo-admin.py`: makes the administrator of a server, or looks whether it gets in.
#[must_use]
pub fn admin(action: &str, port: u16, password: &Path) -> Run {
    let root = paths::repository();
    let mut command = python::limited(&root.join(".venv/bin/python"));
    command.arg("-I").arg(root.join("scripts/mongo-admin.py"));
    command.args([action, &port.to_string()]).arg(password);
    Run::of(&mut command)
}

/// mongosh on a connection string, with a home of its own and without a prompt.
///
/// # Panics
///
/// Where there is none, with the command that installs it.
#[must_use]
pub fn shell(url: &str, home: &Path, script: &str) -> Run {
    let mongosh = self::script(&["shell"]);
    let mut command = python::limited(Path::new(&mongosh[0]));
    command.args(["--quiet", "--norc", url, "--eval", script]);
    Run::of(command.env("HOME", home))
}
