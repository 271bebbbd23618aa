//! Scripts that SCRIPT FLUSH has hidden from the client.

use sha1::{Digest as _, Sha1};
use tenantsdb_codecs::redis::command::Reply as Keys;
use tenantsdb_codecs::redis::command::{Effect, Forward};
use tokio::io::{AsyncRead, AsyncWrite};

use super::pump::Pump;
use super::request::Whole;

impl<C, S> Pump<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Whether a script is called that the client is not to see; notes those that it loads.
    pub(super) fn hides(&self, forward: &Forward<'_>, whole: Whole<'_>) -> bool {
        let scripts = &self.desk.member.tenant().scripts;
        if forward.effect != Effect::ScriptLoad && forward.reply != Keys::Script {
            return false;
        }
        if !scripts.is_flushed() {
            return false;
        }
        match &*forward.command.name {
            "evalsha" | "evalsha_ro" => scripts.hides(whole.arg(1)),
            "eval" | "eval_ro" => {
                scripts.loaded(&digest(whole.arg(1)));
                false
            }
            "script|load" => {
                scripts.loaded(&digest(whole.arg(2)));
                false
            }
            _ => false,
        }
    }
}

/// A script's digest in hexadecimal digits, by which the server knows it.
fn digest(body: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value & 15)).copied().unwrap_or(b'0');
    let digest = Sha1::digest(body);
    digest
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}
