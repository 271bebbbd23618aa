//! KILL with an id that the proxy gave: sent on with the server's own.

use tenantsdb_codecs::mysql::client::{encode_process_kill, process_kill, query_text};
use tenantsdb_codecs::sql::mysql as sql;

use super::End;
use super::exchange::exchange;
use super::serve::Live;
use crate::cancel::mysql::ConnectionIds;

/// Longest query in bytes that is looked at for KILL: there is little to say in one.
const KILL_BYTES_MAX: usize = 4096;

/// A query that may be a KILL.
pub(super) async fn answer_query(live: &mut Live<'_>) -> Result<(), End> {
    let Some(whole) = live.whole(KILL_BYTES_MAX).await? else {
        live.traffic.pass_next();
        return Ok(());
    };
    let capabilities = live.traffic.capabilities();
    let rewritten = query_text(&whole.body, capabilities)
        .ok()
        .and_then(|text| std::str::from_utf8(text).ok())
        .and_then(|text| rewrite(live, text));
    let Some((text, kill)) = rewritten else {
        live.traffic.pass_next();
        return Ok(());
    };
    live.take(&whole);
    let mut command = Vec::new();
    let connection = &live.pooled.connection;
    connection.encode_query(&text, &mut command);
    let reply = exchange(live, &command).await?;
    kill.acted();
    live.reply(&reply.last).await
}

/// COM_PROCESS_KILL.
pub(super) async fn answer_command(live: &mut Live<'_>) -> Result<(), End> {
    let whole = live.whole(KILL_BYTES_MAX).await?;
    let found = whole.and_then(|whole| {
        let id = process_kill(&whole.body).ok()?;
        let key = live.pooled.key();
        Some((
            whole,
            ConnectionIds::kill(&live.core.context, id.into(), key)?,
        ))
    });
    let Some((whole, kill)) = found else {
        live.traffic.pass_next();
        return Ok(());
    };
    live.take(&whole);
    let mut command = Vec::new();
    encode_process_kill(kill.thread, &mut command);
    let reply = exchange(live, &command).await?;
    kill.under_way.acted();
    live.reply(&reply.last).await
}

/// The text with the server's id in it, if it is a KILL with one of ours.
fn rewrite(
    live: &Live<'_>,
    text: &str,
) -> Option<(
    String,
    crate::cancel::UnderWay<std::sync::Arc<crate::cancel::mysql::Session>>,
)> {
    let found = sql::kill(text)?;
    let kill = ConnectionIds::kill(&live.core.context, found.id, live.pooled.key())?;
    let mut rewritten = text.to_owned();
    rewritten.replace_range(found.digits, &kill.thread.to_string());
    Some((rewritten, kill.under_way))
}
