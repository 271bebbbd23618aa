//! The client's role: logs in with a password, or with the key that another login revealed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::channel::ChannelBinding;
use super::key::{Credential, ServerKey, check_bounds, same};
use super::message::{ServerFirst, parse_server_final};
use super::{Error, SHA_256, SHA_256_PLUS};

/// Waits for the server-first-message.
#[must_use]
#[derive(Debug)]
pub struct Exchange {
    /// Escaped.
    user: String,
    nonce: String,
    binding: Option<ChannelBinding>,
}

impl Exchange {
    /// Begins an exchange; also answers the client-first-message.
    ///
    /// `nonce` is the client's half: at least 18 random bytes, printable, without a comma (base64).
    /// With `binding` the mechanism is the PLUS one, which the server must have offered. The user's
    /// name is left empty as in libpq: the startup packet has it.
    pub fn new(nonce: String, binding: Option<ChannelBinding>) -> (Self, Vec<u8>) {
        Self::for_user("", nonce, binding)
    }

    /// The same where the message must name the user: MongoDB's servers have the name from here,
    /// those of PostgreSQL from the startup packet.
    pub fn for_user(user: &str, nonce: String, binding: Option<ChannelBinding>) -> (Self, Vec<u8>) {
        let exchange = Self {
            user: user.replace('=', "=3D").replace(',', "=2C"),
            nonce,
            binding,
        };
        let first = format!("{}{}", exchange.header(), exchange.bare());
        (exchange, first.into_bytes())
    }

    /// The mechanism to name in SASLInitialResponse.
    #[must_use]
    pub const fn mechanism(&self) -> &'static str {
        match self.binding {
            Some(_) => SHA_256_PLUS,
            None => SHA_256,
        }
    }

    /// Takes the server-first-message; answers the client-final-message. With a password this takes
    /// the time of as many rounds of HMAC as the server asks for, within bounds.
    ///
    /// # Errors
    ///
    /// The message is malformed, answers another exchange, or asks for too much or too little;
    /// [`Error::SaltChanged`] if the credential is a key and the server has another verifier.
    pub fn first(
        self,
        server_first: &[u8],
        credential: &Credential<'_>,
    ) -> Result<(ExpectFinal, Vec<u8>), Error> {
        let first = ServerFirst::parse(server_first)?;
        match first.nonce.strip_prefix(self.nonce.as_str()) {
            None | Some("") => return Err(Error::Nonce),
            Some(_) => {}
        }
        check_bounds(&first.salt, first.iterations)?;
        let (client_key, server_key) = credential.keys(&first.salt, first.iterations)?;

        let mut channel_binding = self.header().into_bytes();
        if let Some(binding) = &self.binding {
            channel_binding.extend_from_slice(binding.data());
        }
        let without_proof = format!("c={},r={}", STANDARD.encode(channel_binding), first.nonce);
        let auth_message = format!("{},{},{without_proof}", self.bare(), first.text);
        let proof = client_key.proof(auth_message.as_bytes());
        let last = format!("{without_proof},p={}", STANDARD.encode(proof));
        let expect = ExpectFinal {
            auth_message,
            server_key,
        };
        Ok((expect, last.into_bytes()))
    }

    fn header(&self) -> String {
        match &self.binding {
            Some(binding) => format!("p={},,", binding.name()),
            None => "n,,".to_owned(),
        }
    }

    fn bare(&self) -> String {
        format!("n={},r={}", self.user, self.nonce)
    }
}

/// Waits for the server-final-message.
#[must_use]
#[derive(Debug)]
pub struct ExpectFinal {
    auth_message: String,
    server_key: ServerKey,
}

impl ExpectFinal {
    /// Checks the server-final-message.
    ///
    /// # Errors
    ///
    /// [`Error::ServerSignature`] if the server does not have the verifier: nothing that it says
    /// may be believed. [`Error::Refused`] if it refused; others if the message is malformed.
    pub fn finish(self, server_final: &[u8]) -> Result<(), Error> {
        let signature = parse_server_final(server_final)?;
        if !same(
            &signature,
            &self.server_key.signature(self.auth_message.as_bytes()),
        ) {
            return Err(Error::ServerSignature);
        }
        Ok(())
    }
}
