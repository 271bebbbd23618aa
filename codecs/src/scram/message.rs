//! Grammar of the four messages: RFC 5802, section 7. Readers only; each side writes its own two.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Error;
use super::key::{KeyBytes, decode_key};
use crate::limits::{SCRAM_NONCE_BYTES_MAX, SCRAM_SALT_BYTES_MAX};

/// What a client says about channel binding in its GS2 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding<'a> {
    /// `n`: the client cannot.
    None,
    /// `y`: the client could and thinks that the server cannot.
    ServerCannot,
    /// `p=`: bound by this type.
    Type(&'a str),
}

/// client-first-message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientFirst<'a> {
    /// The GS2 header with its last comma, which the channel binding data begins with.
    pub(super) header: &'a str,
    pub(super) binding: Binding<'a>,
    /// All behind the header: first part of the AuthMessage.
    pub(super) bare: &'a str,
    /// As it is written: escaped.
    pub(super) user: &'a str,
    pub(super) nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, Error> {
        let message = text(message, "client-first-message")?;
        let (flag, rest) = attribute(message, "GS2 header")?;
        let binding = match (flag, flag.strip_prefix("p=")) {
            ("n", _) => Binding::None,
            ("y", _) => Binding::ServerCannot,
            (_, Some(name)) if !name.is_empty() => Binding::Type(name),
            _ => return Err(Error::Malformed("channel binding flag")),
        };
        let (authzid, bare) = attribute(rest, "GS2 header")?;
        if !authzid.is_empty() {
            return Err(if authzid.starts_with("a=") {
                Error::Unsupported("authorization identity")
            } else {
                Error::Malformed("authorization identity")
            });
        }
        let header = message.strip_suffix(bare).unwrap_or_default();
        if bare.starts_with("m=") {
            return Err(Error::Unsupported("mandatory extension"));
        }
        let (user, rest) = attribute(bare, "user name")?;
        // PostgreSQL's startup packet has the name, and its clients send an empty one here.
        let user = value(user, "n=", "user name")?;
        let (nonce, _extensions) = last_attribute(rest);
        let nonce = nonce_value(nonce)?;
        Ok(Self {
            header,
            binding,
            bare,
            user,
            nonce,
        })
    }
}

/// The name that is escaped so. `=` stands for itself nowhere.
pub(super) fn unescape(user: &str) -> Result<String, Error> {
    const FIELD: Error = Error::Malformed("user name");
    let mut parts = user.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (character, rest) = part.split_at_checked(2).ok_or(FIELD)?;
        name.push(match character {
            "2C" => ',',
            "3D" => '=',
            _ => return Err(FIELD),
        });
        name.push_str(rest);
    }
    Ok(name)
}

/// server-first-message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerFirst<'a> {
    /// All of it: second part of the AuthMessage.
    pub(super) text: &'a str,
    pub(super) nonce: &'a str,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
}

impl<'a> ServerFirst<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, Error> {
        let text = text(message, "server-first-message")?;
        if text.starts_with("m=") {
            return Err(Error::Unsupported("mandatory extension"));
        }
        let (nonce, rest) = attribute(text, "nonce")?;
        let nonce = nonce_value(nonce)?;
        let (salt, rest) = attribute(rest, "salt")?;
        let salt = value(salt, "s=", "salt")?;
        // Looked at before it is decoded: base64 has four characters for three bytes.
        if salt.len() > SCRAM_SALT_BYTES_MAX.div_ceil(3) * 4 {
            return Err(Error::Bounds("salt"));
        }
        let salt = STANDARD
            .decode(salt)
            .map_err(|_| Error::Malformed("salt"))?;
        let (iterations, _extensions) = last_attribute(rest);
        let iterations = value(iterations, "i=", "iteration count")?;
        if iterations.is_empty() || !iterations.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::Malformed("iteration count"));
        }
        // Digits only, so what does not parse is too large.
        let iterations = iterations
            .parse()
            .map_err(|_| Error::Bounds("iteration count"))?;
        Ok(Self {
            text,
            nonce,
            salt,
            iterations,
        })
    }
}

/// client-final-message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientFinal<'a> {
    /// All before the proof: last part of the AuthMessage.
    pub(super) without_proof: &'a str,
    pub(super) channel_binding: Vec<u8>,
    pub(super) nonce: &'a str,
    pub(super) proof: KeyBytes,
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, Error> {
        let message = text(message, "client-final-message")?;
        let (without_proof, proof) = message.rsplit_once(',').ok_or(Error::Malformed("proof"))?;
        let proof = value(proof, "p=", "proof")?;
        let proof = decode_key(proof.as_bytes()).ok_or(Error::Malformed("proof"))?;
        let (channel_binding, rest) = attribute(without_proof, "channel binding")?;
        let channel_binding = value(channel_binding, "c=", "channel binding")?;
        let channel_binding = STANDARD
            .decode(channel_binding)
            .map_err(|_| Error::Malformed("channel binding"))?;
        let (nonce, _extensions) = last_attribute(rest);
        // Both halves are in it.
        let nonce = value(nonce, "r=", "nonce")?;
        Ok(Self {
            without_proof,
            channel_binding,
            nonce,
            proof,
        })
    }
}

/// server-final-message: the server's signature.
pub(super) fn parse_server_final(message: &[u8]) -> Result<KeyBytes, Error> {
    let message = text(message, "server-final-message")?;
    let (verifier, _extensions) = last_attribute(message);
    if verifier.starts_with("e=") {
        return Err(Error::Refused);
    }
    let signature = value(verifier, "v=", "server signature")?;
    decode_key(signature.as_bytes()).ok_or(Error::Malformed("server signature"))
}

/// The messages are UTF-8 without zero bytes. What is looked at is ASCII; a user name need not be.
fn text<'a>(message: &'a [u8], name: &'static str) -> Result<&'a str, Error> {
    let text = std::str::from_utf8(message).map_err(|_| Error::Malformed(name))?;
    if text.contains('\0') {
        return Err(Error::Malformed(name));
    }
    Ok(text)
}

/// Takes an attribute that another must follow.
fn attribute<'a>(text: &'a str, name: &'static str) -> Result<(&'a str, &'a str), Error> {
    text.split_once(',').ok_or(Error::Malformed(name))
}

/// Takes an attribute that only optional extensions may follow.
fn last_attribute(text: &str) -> (&str, &str) {
    text.split_once(',').unwrap_or((text, ""))
}

fn value<'a>(attribute: &'a str, key: &str, name: &'static str) -> Result<&'a str, Error> {
    attribute.strip_prefix(key).ok_or(Error::Malformed(name))
}

/// A nonce of one side, or of both: printable ASCII. Both together may have twice the bytes.
fn nonce_value(attribute: &str) -> Result<&str, Error> {
    let nonce = value(attribute, "r=", "nonce")?;
    if nonce.len() > 2 * SCRAM_NONCE_BYTES_MAX {
        return Err(Error::Bounds("nonce"));
    }
    if nonce.is_empty() || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Malformed("nonce"));
    }
    Ok(nonce)
}
