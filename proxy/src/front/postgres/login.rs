//! Proves that the client is who it says, by SCRAM, against the verifier that the route has.
//!
//! Wrong password, unknown user and unknown database are one: the same exchange with the same
//! number of hashes, and the same answer.

use std::sync::Arc;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::limits::AUTH_BODY_BYTES_MAX;
use tenantsdb_codecs::postgres::auth::{
    decode_sasl_initial, decode_sasl_response, encode_ok, encode_sasl, encode_sasl_continue,
    encode_sasl_final,
};
use tenantsdb_codecs::postgres::frame::Frame;
use tenantsdb_codecs::postgres::server::encode_negotiate_protocol_version;
use tenantsdb_codecs::postgres::tag::ClientTag;
use tenantsdb_codecs::scram::server::Exchange;
use tenantsdb_codecs::scram::{self, ClientKey, Verifier};
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::Client;
use super::refuse::Refusal;
use super::startup::Startup;
use crate::context::Context;
use crate::nonce::nonce;
use crate::route::{Login, Route};

/// A client that has proved who it is.
#[derive(Debug)]
pub(super) struct Proved {
    pub(super) route: Arc<Route>,
    /// Place in the route's logins.
    login: usize,
    pub(super) verifier: Verifier,
    /// What its proof revealed; wiped with this.
    pub(super) client_key: ClientKey,
}

impl Proved {
    /// Who it is.
    pub(super) fn login(&self) -> &Login {
        self.route
            .logins
            .get(self.login)
            .expect("a route does not change, and it was there")
    }
}

/// Lets the client prove who it is. What it is owed after that, up to AuthenticationOk, is left in
/// `client.out`, to go out with what comes next. Not cancel safe; the deadline is the caller's.
pub(super) async fn login<T>(
    client: &mut Client<T>,
    startup: &Startup,
    context: &Context,
) -> Result<Proved, Refusal>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let found = find(context, startup);
    // Made for every login, so that the time it takes tells nothing.
    let mock = context.mock.verifier(&startup.user, &startup.database);
    let verifier = found
        .as_ref()
        .and_then(|(route, login)| route.logins.get(*login)?.verifier.scram());
    let verifier = verifier.map_or(mock, Verifier::clone);
    let exchange = Exchange::new(
        verifier.clone(),
        found.is_some(),
        nonce(),
        client.binding.clone(),
    );

    let client_key = prove(client, startup, exchange)
        .await
        .map_err(|refusal| match refusal {
            Refusal::Scram(scram::Error::Proof) => Refusal::Denied {
                user: startup.user.clone(),
            },
            other => other,
        })?;
    let (route, login) = found.ok_or_else(|| Refusal::Denied {
        user: startup.user.clone(),
    })?;
    Ok(Proved {
        route,
        login,
        verifier,
        client_key,
    })
}

fn find(context: &Context, startup: &Startup) -> Option<(Arc<Route>, usize)> {
    let route = context.routes.get(Engine::Postgres, &startup.database)?;
    let login = route
        .logins
        .iter()
        .position(|login| *login.user == *startup.user)?;
    Some((route, login))
}

async fn prove<T>(
    client: &mut Client<T>,
    startup: &Startup,
    exchange: Exchange,
) -> Result<ClientKey, Refusal>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    if let Some(unknown) = &startup.negotiate {
        let unknown: Vec<&str> = unknown.iter().map(String::as_str).collect();
        let minor = startup.version.minor;
        encode_negotiate_protocol_version(minor, &unknown, &mut client.out)?;
    }
    let mechanisms: &[&str] = match client.binding {
        None => &[scram::SHA_256],
        Some(_) => &[scram::SHA_256_PLUS, scram::SHA_256],
    };
    encode_sasl(mechanisms, &mut client.out)?;
    client.send().await?;

    let message = client.message(AUTH_BODY_BYTES_MAX).await?;
    let initial = decode_sasl_initial(sasl(message)?)?;
    let (exchange, data) = exchange.first(initial.mechanism, initial.data)?;
    encode_sasl_continue(&data, &mut client.out)?;
    client.send().await?;

    let message = client.message(AUTH_BODY_BYTES_MAX).await?;
    let (client_key, data) = exchange.finish(decode_sasl_response(sasl(message)?))?;
    encode_sasl_final(&data, &mut client.out)?;
    encode_ok(&mut client.out);
    Ok(client_key)
}

fn sasl(message: Frame<'_>) -> Result<&[u8], Refusal> {
    match ClientTag(message.tag) {
        ClientTag::PASSWORD => Ok(message.body),
        _ => Err(Refusal::NotSasl(message.tag)),
    }
}
