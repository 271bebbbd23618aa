//! mongosh on a connection string.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::without_password;
use crate::cli::error::Error;

/// Where the shell finds the connection string: other users' process lists do not show it.
const URI: &str = "TENANTSDB_MONGO_URI";

/// What the shell runs first.
const CONNECT: &str = "db = connect(process.env.TENANTSDB_MONGO_URI); \
    delete process.env.TENANTSDB_MONGO_URI; undefined";

/// Replaces this process by mongosh; returns only if that cannot be done.
pub(super) fn become_client(connection_string: &str, args: &[OsString]) -> Error {
    let mut command = match client(connection_string, args) {
        Ok(command) => command,
        Err(error) => return error,
    };
    let error = command.exec();
    match error.kind() {
        io::ErrorKind::NotFound => Error::local(
            "mongosh is not installed",
            "npm install -g mongosh, or https://www.mongodb.com/try/download/shell",
        ),
        _ => Error::local(
            format!("mongosh could not be started: {error}"),
            "try it by itself: mongosh --version",
        ),
    }
}

/// Without a password here mongosh asks for it.
fn client(connection_string: &str, args: &[OsString]) -> Result<Command, Error> {
    let (url, password) = without_password(connection_string)?;
    let mut command = Command::new("mongosh");
    if password.is_none() {
        command.arg(url.as_str()).args(args);
        return Ok(command);
    }
    command
        .env(URI, connection_string)
        .args(["--quiet", "--nodb", "--eval", CONNECT]);
    if args.is_empty() {
        // Otherwise it ends when it has done what it was told.
        command.arg("--shell");
    }
    command.args(args);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_in_the_arguments() {
        let uri = "mongodb://a__b:pw@127.0.0.1:6017/a__b?authSource=a__b";
        let command = client(uri, &[]).unwrap();
        let words = |command: &Command| -> Vec<String> {
            let words = command
                .get_args()
                .map(|word| word.to_string_lossy().into_owned());
            words.collect()
        };
        assert!(words(&command).iter().all(|word| !word.contains("pw")));
        assert!(
            command
                .get_envs()
                .any(|(_, value)| value == Some(uri.as_ref()))
        );
        let without = client("mongodb://a__b@h:6017/a__b?authSource=a__b", &["-x".into()]);
        let expected = ["mongodb://a__b@h:6017/a__b?authSource=a__b", "-x"];
        assert_eq!(words(&without.unwrap()), expected);
    }
}
