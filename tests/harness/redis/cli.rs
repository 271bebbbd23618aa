//! The command line clients `redis-cli` and `valkey-cli`.

use std::path::Path;
use std::process::Command;

use super::{Flavour, Login, Protocol, programs};
use crate::Run;

/// The client of a flavour, in the clear, with the password in its environment.
#[must_use]
pub fn plain(flavour: Flavour, login: &Login, protocol: Protocol) -> Command {
    let mut command = programs::program(flavour, "cli");
    let (host, port) = login.host_port();
    command.args(["-h", host, "-p", port, "--user", &login.user, "-e"]);
    command.env("REDISCLI_AUTH", &login.password);
    command.env("VALKEYCLI_AUTH", &login.password);
    // Nothing of the user's own.
    command.env("HOME", "/nonexistent");
    command.arg(match protocol {
        Protocol::Resp2 => "-2",
        Protocol::Resp3 => "-3",
    });
    command
}

/// The same over TLS, with the certificate checked.
#[must_use]
pub fn tls(flavour: Flavour, login: &Login, protocol: Protocol, ca: &Path) -> Command {
    let mut command = plain(flavour, login, protocol);
    command
        .args(["--tls", "--sni", "localhost", "--cacert"])
        .arg(ca);
    command
}

/// Runs one command, given as words.
#[must_use]
pub fn run(mut client: Command, words: &[&str]) -> Run {
    Run::of(client.args(words))
}
