//! COM_CHANGE_USER: the same login again is proved to the proxy, and its session begun anew;
//! another is refused, as a wrong password is.

use std::collections::HashMap;

use tenantsdb_codecs::limits::MYSQL_LOGIN_BYTES_MAX;
use tenantsdb_codecs::mysql::Flavour;
use tenantsdb_codecs::mysql::auth::{NATIVE_PASSWORD, encode_more_data, sha2};
use tenantsdb_codecs::mysql::client::ChangeUser;
use tokio::time::timeout;

use super::exchange::end_of;
use super::handshake::Startup;
use super::login::{check, switch};
use super::opener::is_fast;
use super::refuse::{self, Refusal};
use super::serve::Live;
use super::{End, push_ok};
use crate::back::mysql::Error as ServerError;
use crate::relay::mysql::Traffic;

/// Answers the command; on a refusal the session is over, as on a server.
pub(super) async fn answer(live: &mut Live<'_>) -> Result<(), End> {
    live.client.sequence = 1;
    let Some(whole) = live.whole(MYSQL_LOGIN_BYTES_MAX).await? else {
        return refused(live, &Refusal::ChangeUserTooLong).await;
    };
    live.take(&whole);
    let time = live.core.context.config.handshake_timeout;
    let proved = timeout(time, prove(live, &whole.body)).await;
    let (startup, collation) = match proved.unwrap_or(Err(Refusal::TooSlow)) {
        Ok(proved) => proved,
        Err(refusal) => return refused(live, &refusal).await,
    };
    begin_anew(live, collation).await.map_err(end_of)?;
    *live.startup = startup;
    push_ok(live.client);
    live.client.send().await.map_err(|_| End::ClientGone(None))
}

/// Lets the client prove that it is who it was. With `mysql_native_password`, client libraries
/// answer the nonce that they have, whatever an AuthSwitchRequest says (libmariadb); that one is
/// this connection's alone. Others are asked with another nonce.
async fn prove(live: &mut Live<'_>, body: &[u8]) -> Result<(Startup, u16), Refusal> {
    let change = ChangeUser::decode(body, live.startup.capabilities)?;
    let mut startup = live.startup.clone();
    change.user.clone_into(&mut startup.user);
    startup.database = match change.database {
        "" => live.route.database.to_string(),
        named => named.to_owned(),
    };
    let native = change.plugin.unwrap_or(NATIVE_PASSWORD) == NATIVE_PASSWORD;
    let (nonce, proof) = if native && live.flavour == Flavour::MariaDb {
        (startup.nonce, change.auth.to_vec())
    } else {
        switch(live.client, live.flavour).await?
    };
    startup.nonce = nonce;
    let proved = check(&live.core.context, &startup, live.flavour, (nonce, &proof))?;
    let same = proved.route.database == live.route.database
        && proved.login().server_user() == &*live.pooled.key().user;
    if same {
        // C libraries take an OK for an answer only behind it.
        if is_fast(&proved.proof, false) {
            let client = &mut live.client;
            encode_more_data(&[sha2::FAST_OK], &mut client.sequence, &mut client.out);
        }
        let collation = change.collation.unwrap_or(startup.collation.into());
        return Ok((startup, collation));
    }
    Err(Refusal::Denied {
        user: startup.user,
        password: true,
    })
}

/// The session on the server, as after a login.
async fn begin_anew(live: &mut Live<'_>, collation: u16) -> Result<(), ServerError> {
    let time = live.core.context.config.connect_timeout;
    let connection = &mut live.pooled.connection;
    let resetting = async {
        connection.reset().await?;
        connection.set_collation(collation).await
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
