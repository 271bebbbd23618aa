//! redis-cli on a connection string, or valkey-cli where only that is there.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use reqwest::Url;

use super::{percent_decoded, without_password};
use crate::cli::error::Error;

/// Where no port stands in the connection string, as clients have it.
const PORT: u16 = 6379;
/// Where the clients look for a password: the one of both, and valkey-cli's own.
pub(super) const PASSWORD: &str = "REDISCLI_AUTH";
const VALKEY_PASSWORD: &str = "VALKEYCLI_AUTH";

/// Replaces this process by a client; returns only if that cannot be done.
pub(super) fn become_client(connection_string: &str, args: &[OsString]) -> Error {
    let (url, password) = match without_password(connection_string) {
        Ok(taken_apart) => taken_apart,
        Err(error) => return error,
    };
    for name in ["redis-cli", "valkey-cli"] {
        let error = client(name, &url, password.as_deref(), args).exec();
        if error.kind() != io::ErrorKind::NotFound {
            return Error::local(
                format!("{name} could not be started: {error}"),
                format!("try it by itself: {name} --version"),
            );
        }
    }
    Error::local(
        "neither redis-cli nor valkey-cli is installed",
        "apt-get install redis-tools (Debian, Ubuntu), dnf install valkey, brew install redis",
    )
}

/// The client with the password in its environment, where other users' process lists do not show
/// it. Without one here it asks, unless the environment has one.
fn client(name: &str, url: &Url, password: Option<&str>, args: &[OsString]) -> Command {
    let mut command = Command::new(name);
    let host = url.host_str().unwrap_or_default();
    command
        .args(["-h", host.trim_matches(['[', ']'])])
        .args(["-p", &url.port().unwrap_or(PORT).to_string()])
        .args(["--user", &percent_decoded(url.username())]);
    if url.scheme() == "rediss" {
        command.arg("--tls");
    }
    match password {
        Some(password) => {
            command
                .env(PASSWORD, password)
                .env(VALKEY_PASSWORD, password);
        }
        None if [PASSWORD, VALKEY_PASSWORD]
            .iter()
            .all(|name| std::env::var_os(name).is_none()) =>
        {
            command.arg("--askpass");
        }
        None => {}
    }
    command.args(args);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(command: &Command) -> Vec<&str> {
        command
            .get_args()
            .map(|arg| arg.to_str().unwrap())
            .collect()
    }

    #[test]
    fn the_password_goes_by_environment_and_never_by_argument() {
        let (url, password) = without_password("redis://a__b:s%40cr%2Bt@h:6380/0").unwrap();
        let command = client("redis-cli", &url, password.as_deref(), &["PING".into()]);
        assert_eq!(
            shown(&command),
            ["-h", "h", "-p", "6380", "--user", "a__b", "PING"]
        );
        let password = Some("s@cr+t".as_ref());
        let environment: Vec<_> = command.get_envs().collect();
        assert!(environment.contains(&("REDISCLI_AUTH".as_ref(), password)));
        assert!(environment.contains(&("VALKEYCLI_AUTH".as_ref(), password)));
    }

    #[test]
    fn without_a_password_the_client_asks() {
        let (url, password) = without_password("rediss://a_dev@[::1]/0").unwrap();
        let command = client("redis-cli", &url, password.as_deref(), &[]);
        assert_eq!(
            shown(&command),
            [
                "-h",
                "::1",
                "-p",
                "6379",
                "--user",
                "a_dev",
                "--tls",
                "--askpass"
            ]
        );
        assert_eq!(command.get_envs().count(), 0);
    }
}
