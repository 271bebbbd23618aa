//! The servers' and clients' programs, as `scripts/mysql.sh` finds them.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::paths;

/// `MYSQL_UNAVAILABLE` of `scripts/mysql.sh`.
const UNAVAILABLE: i32 = 69;

/// What comes before the arguments of Oracle's `mysqld`, `mysql` and `mysqldump`.
struct Oracle {
    mysqld: Vec<String>,
    mysql: Vec<String>,
    mysqldump: Vec<String>,
}

fn oracle() -> &'static Result<Oracle, String> {
    static ORACLE: OnceLock<Result<Oracle, String>> = OnceLock::new();
    ORACLE.get_or_init(|| {
        Ok(Oracle {
            mysqld: prefix("mysqld")?,
            mysql: prefix("mysql")?,
            mysqldump: prefix("mysqldump")?,
        })
    })
}

fn prefix(program: &str) -> Result<Vec<String>, String> {
    let script = paths::repository().join("scripts/mysql.sh");
    let found = Command::new("bash").arg(&script).arg(program).output();
    let found = found.expect("bash runs");
    let text = String::from_utf8_lossy(&found.stderr).into_owned();
    match found.status.code() {
        Some(0) => {
            let words = String::from_utf8_lossy(&found.stdout).into_owned();
            Ok(words.lines().map(str::to_owned).collect())
        }
        Some(UNAVAILABLE) => Err(text.trim().replace('\n', "; ")),
        _ => panic!("{} {program}: {text}", script.display()),
    }
}

/// Why Oracle's MySQL cannot be had on this machine, if it cannot.
#[must_use]
pub fn mysql_unavailable() -> Option<String> {
    oracle().as_ref().err().cloned()
}

fn command_of(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

fn oracle_command(pick: fn(&Oracle) -> &Vec<String>) -> Command {
    match oracle() {
        Ok(oracle) => command_of(pick(oracle)),
        Err(reason) => panic!("MySQL cannot be had here: {reason}"),
    }
}

/// Oracle's server, without any settings file.
///
/// # Panics
///
/// Where it cannot be had, like all of Oracle's here.
#[must_use]
pub fn mysqld() -> Command {
    oracle_command(|oracle| &oracle.mysqld)
}

/// Oracle's command line client, without any settings file.
#[must_use]
pub fn mysql() -> Command {
    oracle_command(|oracle| &oracle.mysql)
}

/// Oracle's dump, without any settings file.
#[must_use]
pub fn mysqldump() -> Command {
    oracle_command(|oracle| &oracle.mysqldump)
}

/// A program of MariaDB's, without any settings file.
///
/// # Panics
///
/// If this machine does not have it.
#[must_use]
pub fn mariadb(program: &str) -> Command {
    let mut command = Command::new(mariadb_path(program));
    command.arg("--no-defaults");
    command
}

fn mariadb_path(program: &str) -> PathBuf {
    let script = paths::repository().join("scripts/mysql.sh");
    let found = Command::new("bash")
        .args(["-c", ". \"$1\"; mariadb_program \"$2\"", "bash"])
        .arg(&script)
        .arg(program)
        .output()
        .expect("bash runs");
    let path = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(
        !path.is_empty(),
        "MariaDB's {program} is missing; run: scripts/install.sh test \
         (by hand: apt-get install mariadb-server-core mariadb-client)"
    );
    PathBuf::from(path)
}
