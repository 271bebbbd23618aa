//! Proves that the client is who it says, against the verifier that the route has.
//!
//! ```text
//! ◄ HandshakeResponse           with a proof by the door's plugin, or
//! AuthSwitchRequest ─►          another nonce
//! ◄ the proof
//! ```
//!
//! Wrong password, unknown user and unknown database are one: the same plugin, the same number of
//! hashes, the same answer. No server is touched before the proof has been checked.

use std::sync::Arc;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::limits::AUTH_BODY_BYTES_MAX;
use tenantsdb_codecs::mysql::Flavour;
use tenantsdb_codecs::mysql::auth::{AuthSwitchRequest, Verifier, native, sha2};
use tenantsdb_codecs::mysql::startup::Nonce;
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::Client;
use super::handshake::{Startup, printable_nonce};
use super::offer::plugin;
use super::refuse::Refusal;
use crate::auth::Mock;
use crate::back::mysql::secret::Proof;
use crate::context::Context;
use crate::route::{Login, Route};

/// A client that has proved who it is.
#[derive(Debug)]
pub(super) struct Proved {
    pub(super) route: Arc<Route>,
    /// Place in the route's logins.
    login: usize,
    pub(super) verifier: Verifier,
    /// What its proof revealed.
    pub(super) proof: Proof,
    /// What it answered to: a password that it says later is hidden with it.
    pub(super) nonce: Nonce,
}

// === impl Proved ===

impl Proved {
    /// Who it is.
    pub(super) fn login(&self) -> &Login {
        self.route
            .logins
            .get(self.login)
            .expect("a route does not change, and it was there")
    }
}

/// Lets the client prove who it is. Not cancel safe; the deadline is the caller's.
pub(super) async fn login<T>(
    client: &mut Client<T>,
    startup: &Startup,
    flavour: Flavour,
    context: &Context,
) -> Result<Proved, Refusal>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let (nonce, proof) = prove(client, startup, flavour).await?;
    check(context, startup, flavour, (nonce, &proof))
}

/// Compares a proof with what the route has, or with a stand-in.
pub(super) fn check(
    context: &Context,
    startup: &Startup,
    flavour: Flavour,
    (nonce, proof): (Nonce, &[u8]),
) -> Result<Proved, Refusal> {
    let found = find(context, startup, flavour);
    // Made for every login, so that the time it takes tells nothing.
    let mock = mock(&context.mock, startup, flavour);
    let verifier = found
        .as_ref()
        .and_then(|(route, login)| route.logins.get(*login)?.verifier.mysql());
    let verifier = verifier.map_or(mock, Verifier::clone);
    let revealed = match &verifier {
        Verifier::Native(stage2) => native::check(stage2, &nonce, proof).map(Proof::Native),
        Verifier::Sha2(stored) => sha2::check(stored, &nonce, proof).map(Proof::Sha2),
    };
    match (found, revealed) {
        (Some((route, login)), Some(revealed)) => Ok(Proved {
            route,
            login,
            verifier,
            proof: revealed,
            nonce,
        }),
        _ => Err(Refusal::Denied {
            user: startup.user.clone(),
            password: !proof.is_empty(),
        }),
    }
}

/// The proof by the door's plugin, and the nonce that it is for.
async fn prove<T>(
    client: &mut Client<T>,
    startup: &Startup,
    flavour: Flavour,
) -> Result<(Nonce, Vec<u8>), Refusal>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let ours = plugin(flavour);
    match startup.plugin.as_deref() {
        Some(theirs) if theirs == ours => Ok((startup.nonce, startup.proof.clone())),
        Some(_) => switch(client, flavour).await,
        // Before there were plugins there was one.
        None if flavour == Flavour::MariaDb => Ok((startup.nonce, startup.proof.clone())),
        None => Err(Refusal::OldAuthentication),
    }
}

/// Asks for a proof by the door's plugin. Not cancel safe.
pub(super) async fn switch<T>(
    client: &mut Client<T>,
    flavour: Flavour,
) -> Result<(Nonce, Vec<u8>), Refusal>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let nonce = printable_nonce();
    let (sequence, out) = (&mut client.sequence, &mut client.out);
    AuthSwitchRequest::encode_nonce(plugin(flavour), &nonce, sequence, out)?;
    client.send().await?;
    Ok((nonce, client.packet(AUTH_BODY_BYTES_MAX).await?))
}

fn find(context: &Context, startup: &Startup, flavour: Flavour) -> Option<(Arc<Route>, usize)> {
    let route = context.routes.get(Engine::MySql, &startup.database)?;
    if route.flavour() != flavour {
        tracing::debug!(
            database = startup.database,
            "asked for at the other flavour's door"
        );
        return None;
    }
    let login = route
        .logins
        .iter()
        .position(|login| *login.user == *startup.user)?;
    Some((route, login))
}

/// A verifier that no proof fits, of the kind that the door's servers have.
fn mock(mock: &Mock, startup: &Startup, flavour: Flavour) -> Verifier {
    let bytes = mock.bytes(&startup.user, &startup.database);
    match flavour {
        Flavour::MySql => Verifier::Sha2(bytes),
        Flavour::MariaDb => {
            let mut short = [0; 20];
            for (short, byte) in short.iter_mut().zip(bytes) {
                *short = byte;
            }
            Verifier::Native(short)
        }
    }
}

#[cfg(test)]
mod tests;
