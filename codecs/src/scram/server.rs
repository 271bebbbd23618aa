//! The server's role: ends a client's login against a verifier.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::Choice;

use super::channel::ChannelBinding;
use super::key::{ClientKey, Verifier};
use super::message::{Binding, ClientFinal, ClientFirst};
use super::{Error, SHA_256, SHA_256_PLUS};
use crate::limits::SCRAM_NONCE_BYTES_MAX;

/// Waits for the client-first-message.
#[must_use]
#[derive(Debug)]
pub struct Exchange {
    verifier: Verifier,
    known: bool,
    nonce: String,
    binding: Option<ChannelBinding>,
}

impl Exchange {
    /// An exchange against `verifier`.
    ///
    /// `known` is false for a made-up verifier, for a user who does not exist: the exchange does
    /// the same work and ends in [`Error::Proof`]. `nonce` is the server's half: at least 18
    /// random bytes, printable, without a comma (base64). `binding` is the TLS connection, if
    /// there is one; both mechanisms must have been offered then, only the plain one otherwise.
    pub const fn new(
        verifier: Verifier,
        known: bool,
        nonce: String,
        binding: Option<ChannelBinding>,
    ) -> Self {
        Self {
            verifier,
            known,
            nonce,
            binding,
        }
    }

    /// Takes SASLInitialResponse apart; answers the server-first-message.
    ///
    /// # Errors
    ///
    /// The message is malformed or asks for what is not spoken here, or its channel binding does
    /// not fit: `p` without the PLUS mechanism, PLUS without `p`, `y` although PLUS was offered
    /// (somebody on the way took it out of the offer).
    pub fn first(
        self,
        mechanism: &str,
        client_first: &[u8],
    ) -> Result<(ExpectFinal, Vec<u8>), Error> {
        let first = ClientFirst::parse(client_first)?;
        if first.nonce.len() > SCRAM_NONCE_BYTES_MAX {
            return Err(Error::Bounds("nonce"));
        }
        let bound = match (mechanism, first.binding, &self.binding) {
            (SHA_256, Binding::None, _) | (SHA_256, Binding::ServerCannot, None) => None,
            (SHA_256_PLUS, Binding::Type(name), Some(binding)) if name == binding.name() => {
                Some(binding)
            }
            (SHA_256 | SHA_256_PLUS, _, _) => return Err(Error::ChannelBinding),
            _ => return Err(Error::Mechanism),
        };
        let mut channel_binding = first.header.as_bytes().to_vec();
        channel_binding.extend_from_slice(bound.map(ChannelBinding::data).unwrap_or_default());

        let nonce = format!("{}{}", first.nonce, self.nonce);
        let server_first = format!(
            "r={nonce},s={},i={}",
            STANDARD.encode(&self.verifier.salt),
            self.verifier.iterations
        );
        let expect = ExpectFinal {
            known: self.known,
            auth_message: format!("{},{server_first},", first.bare),
            verifier: self.verifier,
            nonce,
            channel_binding,
        };
        Ok((expect, server_first.into_bytes()))
    }
}

/// Waits for the client-final-message.
#[must_use]
#[derive(Debug)]
pub struct ExpectFinal {
    verifier: Verifier,
    known: bool,
    /// The first two parts, with the comma before the third.
    auth_message: String,
    nonce: String,
    /// What `c=` must be.
    channel_binding: Vec<u8>,
}

impl ExpectFinal {
    /// Takes SASLResponse apart; answers the client's key and the server-final-message.
    ///
    /// # Errors
    ///
    /// [`Error::Proof`] if the client does not know the password, after the same work whatever was
    /// wrong and whether or not the user exists; others if the message is malformed or of another
    /// exchange.
    pub fn finish(self, client_final: &[u8]) -> Result<(ClientKey, Vec<u8>), Error> {
        let last = ClientFinal::parse(client_final)?;
        if last.channel_binding != self.channel_binding {
            return Err(Error::ChannelBinding);
        }
        if last.nonce != self.nonce {
            return Err(Error::Nonce);
        }
        let mut auth_message = self.auth_message;
        auth_message.push_str(last.without_proof);
        let auth_message = auth_message.as_bytes();

        let signature = self.verifier.stored_key.signature(auth_message);
        let key = ClientKey::recover(&last.proof, &signature);
        let server_signature = self.verifier.server_key.signature(auth_message);
        let proven = self.verifier.stored_key.is_of(&key) & Choice::from(u8::from(self.known));
        if !bool::from(proven) {
            return Err(Error::Proof);
        }
        let server_final = format!("v={}", STANDARD.encode(server_signature));
        Ok((key, server_final.into_bytes()))
    }
}
