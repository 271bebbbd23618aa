//! COM_CHANGE_USER: the same login again is proved to the proxy, and its session begun anew; another
//! is refused, as a wrong password is.

use std::collections::HashMap;

use tenantsdb_codecs::limits::MYSQL_LOGIN_BYTES_MAX;
use tenantsdb_codecs::mysql::client::ChangeUser;
use tokio::time::timeout;

use super::exchange::end_of;
use super::handshake::Startup;
use super::login::{check, switch};
use super::refuse::{self, Refusal};
use super::serve::Live;
use super::{End, push_ok};
use crate::back::mysql::Error as ServerError;
use crate::relay::mysql::Traffic;

/// Answers the command; on a refusal the session is over, as on a server.
pub(super) async fn answer(live: &mut Live<'_>) -> Result<(), End> {
    let Some(whole) = live.whole(MYSQL_LOGIN_BYTES_MAX).await? else {
        return refused(live, &Refusal::NotUtf8).await;
    };
    live.take(&whole);
    live.client.sequence = 1;
    let time = live.core.context.config.handshake_timeout;
    let proved = timeout(time, prove(live, &whole.body)).await;
    let startup = match proved.unwrap_or(Err(Refusal::TooSlow)) {
        Ok(startup) => startup,
        Err(refusal) => return refused(live, &refusal).await,
    };
    begin_anew(live, &startup).await.map_err(end_of)?;
    *live.startup = startup;
    push_ok(live.client);
    live.client.send().await.map_err(|_| End::ClientGone(None))
}

/// Lets the client prove that it is who it was. Always with another nonce.
async fn prove(live: &mut Live<'_>, body: &[u8]) -> Result<Startup, Refusal> {
    let change = ChangeUser::decode(body, live.startup.capabilities)?;
    let mut startup = live.startup.clone();
    change.user.clone_into(&mut startup.user);
    startup.database = match change.database {
        "" => live.route.database.to_string(),
        named => named.to_owned(),
    };
    // The number of a collation has two bytes here; a login's has one.
    let collation = change.collation.map(u8::try_from);
    startup.collation = collation.and_then(Result::ok).unwrap_or(startup.collation);
    let proof = switch(live.client, live.flavour).await?;
    let proved = check(
        &live.core.context,
        &startup,
        live.flavour,
        (proof.0, &proof.1),
    )?;
    let same = proved.route.database == live.route.database
        && proved.login().server_user() == &*live.pooled.key().user;
    if same {
        return Ok(startup);
    }
    Err(Refusal::Denied {
        user: startup.user,
        password: true,
    })
}

/// The session on the server, as after a login.
async fn begin_anew(live: &mut Live<'_>, startup: &Startup) -> Result<(), ServerError> {
    let time = live.core.context.config.connect_timeout;
    let connection = &mut live.pooled.connection;
    let resetting = async {
        connection.reset().await?;
        connection.set_collation(startup.collation).await
    };
    timeout(time, resetting)
        .await
        .unwrap_or(Err(ServerError::TimedOut))?;
    let inspects = live.route.kind == tenantsdb_codecs::feed::route::Kind::Workspace;
    *live.traffic = Traffic::new(live.traffic.capabilities(), inspects);
    live.prepared = HashMap::new();
    live.prepared_last = None;
    Ok(())
}

async fn refused(live: &mut Live<'_>, refusal: &Refusal) -> Result<(), End> {
    refuse::note(&live.core.context, refusal);
    if refusal.push(live.client, live.flavour, live.peer) {
        // Who does not listen has lost nothing.
        let _ = timeout(super::FULL_TIMEOUT, live.client.send()).await;
    }
    Err(End::Goodbye)
}
