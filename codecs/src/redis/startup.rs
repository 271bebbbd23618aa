//! HELLO and AUTH: who a client is, and which protocol it speaks.
//!
//! <https://redis.io/docs/latest/commands/hello/>, <https://redis.io/docs/latest/commands/auth/>;
//! `helloCommand` in `src/networking.c`, `authCommand` in `src/acl.c`.

use std::fmt;

use super::frame::integer;
use super::report::{Report, Word};
use super::server::{self, Protocol};

/// HELLO of a client.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Hello<'i> {
    /// The protocol that is spoken from the reply on; `None`: as before.
    pub protocol: Option<Protocol>,
    /// A login in the same command: user and password.
    pub auth: Option<(&'i [u8], &'i [u8])>,
    /// The name of the connection.
    pub name: Option<&'i [u8]>,
}

impl<'i> Hello<'i> {
    /// Reads the arguments behind the command's name.
    ///
    /// # Errors
    ///
    /// What the server replies; nothing of the command has an effect then.
    pub fn read(args: &[&'i [u8]]) -> Result<Self, Report<'static>> {
        let mut hello = Self::default();
        let Some((version, mut rest)) = args.split_first() else {
            return Ok(hello);
        };
        let version = integer(version).ok_or_else(|| {
            Report::new(
                Word::Err,
                "Protocol version is not an integer or out of range",
            )
        })?;
        hello.protocol = Some(Protocol::of_number(version).ok_or(Report::NOPROTO)?);
        loop {
            rest = match rest {
                [] => return Ok(hello),
                [option, user, password, rest @ ..] if option.eq_ignore_ascii_case(b"AUTH") => {
                    hello.auth = Some((user, password));
                    rest
                }
                [option, name, rest @ ..] if option.eq_ignore_ascii_case(b"SETNAME") => {
                    check_client_name(name)?;
                    hello.name = Some(name);
                    rest
                }
                [option, ..] => {
                    let option = String::from_utf8_lossy(option);
                    let message = format!("Syntax error in HELLO option '{option}'");
                    return Err(Report::new(Word::Err, message));
                }
            };
        }
    }
}

/// The password is not printed.
impl fmt::Debug for Hello<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello")
            .field("protocol", &self.protocol)
            .field(
                "user",
                &self.auth.map(|(user, _)| String::from_utf8_lossy(user)),
            )
            .field("name", &self.name.map(String::from_utf8_lossy))
            .finish_non_exhaustive()
    }
}

/// AUTH of a client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Auth<'i> {
    /// `None`: the server's default user is meant.
    pub user: Option<&'i [u8]>,
    /// In clear.
    pub password: &'i [u8],
}

impl<'i> Auth<'i> {
    /// Reads the arguments behind the command's name.
    ///
    /// # Errors
    ///
    /// What the server replies.
    pub fn read(args: &[&'i [u8]]) -> Result<Self, Report<'static>> {
        match args {
            [] => Err(Report::arity(b"auth")),
            [password] => Ok(Self {
                user: None,
                password,
            }),
            [user, password] => Ok(Self {
                user: Some(user),
                password,
            }),
            _ => Err(Report::SYNTAX),
        }
    }
}

/// The password is not printed.
impl fmt::Debug for Auth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("user", &self.user.map(String::from_utf8_lossy))
            .finish_non_exhaustive()
    }
}

/// Whether a connection may have this name: `validateClientName` in `src/networking.c`. The empty
/// one takes the name away.
///
/// # Errors
///
/// What the server replies.
pub fn check_client_name(name: &[u8]) -> Result<(), Report<'static>> {
    if name.iter().all(|byte| matches!(byte, b'!'..=b'~')) {
        return Ok(());
    }
    Err(Report::new(
        Word::Err,
        "Client names cannot contain spaces, newlines or special characters.",
    ))
}

/// The reply to HELLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome<'a> {
    /// `redis`, or `valkey`.
    pub server: &'a str,
    /// Such as `7.0.15`.
    pub version: &'a str,
    /// The connection's number.
    pub id: i64,
}

impl Welcome<'_> {
    /// Appends it, in the protocol that is spoken from it on.
    pub fn encode(&self, protocol: Protocol, out: &mut Vec<u8>) {
        server::map(7, protocol, out);
        for (name, text) in [("server", self.server), ("version", self.version)] {
            server::bulk(name.as_bytes(), out);
            server::bulk(text.as_bytes(), out);
        }
        for (name, number) in [("proto", protocol.number()), ("id", self.id)] {
            server::bulk(name.as_bytes(), out);
            server::integer(number, out);
        }
        for (name, text) in [("mode", "standalone"), ("role", "master")] {
            server::bulk(name.as_bytes(), out);
            server::bulk(text.as_bytes(), out);
        }
        server::bulk(b"modules", out);
        server::array(0, out);
    }
}

#[cfg(test)]
mod tests;
