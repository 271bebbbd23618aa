//! Statements of a workspace session that may change the schema: recorded before they are
//! forwarded, settled when their reply is known, and confirmed to the client when control has them.
//!
//! ```text
//! client ─ statement ─► journal (fsync) ─► server
//! client ◄─ all but the last message of the reply ─ server
//!           journal (fsync) ◄─ what took effect
//!           control ◄─ the same; at most 5 s are waited for
//! client ◄─ the last message
//! ```
//!
//! Nothing here decides what took effect on the schema: control compares it with what it was. The
//! record gives the words, their order, and who said them.

use tenantsdb_codecs::feed::capture::{Capture, CapturedStatement, Outcome};
use tenantsdb_codecs::mysql::client::{Command, prepare_text, query_text, statement_id};
use tenantsdb_codecs::mysql::code::Code;
use tenantsdb_codecs::mysql::frame::HEADER_BYTES;
use tenantsdb_codecs::mysql::pipeline::Outcome as Ending;
use tenantsdb_codecs::mysql::report::Report;
use tenantsdb_codecs::mysql::server::PrepareOk;
use tenantsdb_codecs::sql::mysql::{self as sql, Effect, Mode};
use tokio::time::timeout;
use tracing::warn;

use super::exchange::{Reply, end_of, exchange};
use super::serve::{Live, Whole};
use super::{End, kill};
use crate::back::mysql::Error as ServerError;
use crate::ddl;
use crate::relay::mysql::LAST_PREPARED;

/// Longest statement in bytes that is looked at and recorded: what a server takes by default
/// (`max_allowed_packet`), or less. A longer one goes on as it is; what it changed is found by
/// control without its words.
const STATEMENT_BYTES_MAX: usize = 16 << 20;

/// Prepared statements of one session that may be DDL and are open; more are recorded without
/// their text.
const PREPARED_MAX: usize = 1_000;

/// Answers a query, or the preparation or execution of a statement.
pub(super) async fn answer(live: &mut Live<'_>, command: Command) -> Result<(), End> {
    let Some(whole) = live.whole(STATEMENT_BYTES_MAX).await? else {
        warn!("a statement of more than 16 MiB in a workspace is not looked at");
        live.traffic.pass_next();
        return Ok(());
    };
    match command {
        Command::STMT_PREPARE => prepare(live, &whole).await,
        Command::STMT_EXECUTE => execute(live, &whole).await,
        _ => query(live, &whole).await,
    }
}

async fn query(live: &mut Live<'_>, whole: &Whole) -> Result<(), End> {
    let text = query_text(&whole.body, live.traffic.capabilities());
    match text.map(std::str::from_utf8) {
        Ok(Ok(text)) if !may_change(text) => kill::answer_query(live).await,
        Ok(Ok(text)) => {
            let text = text.to_owned();
            record(live, whole, Some(&text)).await
        }
        // Not text, or not a query: what it does is found without its words.
        _ => record(live, whole, None).await,
    }
}

/// Learns under which number the server keeps a statement that may be DDL.
async fn prepare(live: &mut Live<'_>, whole: &Whole) -> Result<(), End> {
    let text = prepare_text(&whole.body).ok();
    let text = text.and_then(|text| std::str::from_utf8(text).ok());
    let Some(text) = text.filter(|text| may_change(text)) else {
        live.prepared_last = None;
        live.traffic.pass_next();
        return Ok(());
    };
    let text = text.to_owned();
    let command = live.take(whole);
    let reply = exchange(live, &command).await?;
    let body = reply.first.get(HEADER_BYTES..).unwrap_or_default();
    if let Ok(prepared) = PrepareOk::decode(body) {
        live.traffic.watch(prepared.id);
        live.prepared_last = Some(prepared.id);
        if live.prepared.len() == PREPARED_MAX {
            let traffic = &live.traffic;
            live.prepared.retain(|id, _| traffic.is_watched(*id));
        }
        // With parameters the text alone is not what is executed.
        if prepared.params == 0 && live.prepared.len() < PREPARED_MAX {
            live.prepared.insert(prepared.id, text);
        }
    }
    live.reply(&reply.last).await
}

async fn execute(live: &mut Live<'_>, whole: &Whole) -> Result<(), End> {
    let id = match statement_id(&whole.body) {
        Ok(LAST_PREPARED) => live.prepared_last,
        other => other.ok(),
    };
    match id.filter(|id| live.traffic.is_watched(*id)) {
        Some(id) => {
            let text = live.prepared.get(&id).cloned();
            record(live, whole, text.as_deref()).await
        }
        None => {
            live.traffic.pass_next();
            Ok(())
        }
    }
}

/// Whether a text may change the schema. Where a backslash makes a difference, both readings count.
fn may_change(text: &str) -> bool {
    let changes = |mode| sql::effect_of_text(text, mode) != Effect::Reads;
    let literal = Mode {
        no_backslash_escapes: true,
        ..Mode::default()
    };
    changes(Mode::default()) || (text.contains('\\') && changes(literal))
}

/// Forwards a command that may change the schema, and records it. `text` is what it runs, where
/// that can be said.
async fn record(live: &mut Live<'_>, whole: &Whole, text: Option<&str>) -> Result<(), End> {
    let context = &live.core.context;
    let time = context.config.connect_timeout;
    let read = timeout(time, live.pooled.connection.read_context()).await;
    let settings = read.unwrap_or(Err(ServerError::TimedOut)).map_err(end_of)?;
    let mode = Mode::of_sql_mode(&settings.sql_mode);
    let texts: Vec<&str> = text.map(|text| sql::split(text, mode)).unwrap_or_default();
    live.captures += 1;
    let mut capture = Capture {
        id: format!("{}:{}", live.session, live.captures),
        database: live.route.database.to_string(),
        pid: live.pooled.connection.session.thread.into(),
        user: live.startup.user.clone(),
        application_name: live.startup.program.clone(),
        statements: unknown(&texts),
        context: Some(settings),
    };
    let command = live.take(whole);
    if let Err(reason) = ddl::intend(context, &capture).await {
        return refuse(live, &reason.to_string()).await;
    }
    let replied = exchange(live, &command).await;
    if let Ok(reply) = &replied {
        capture.statements = settled(&texts, mode, reply);
    }
    // Whatever became of the session: what is known of the statement is kept.
    ddl::deliver(&live.core.context, capture).await;
    let reply = replied?;
    match reply.client_gone {
        true => Err(End::ClientGone(None)),
        false => live.reply(&reply.last).await,
    }
}

/// Statements of which nobody knows yet what they did.
fn unknown(texts: &[&str]) -> Vec<CapturedStatement> {
    let statement = |text: &str| CapturedStatement {
        text: text.to_owned(),
        outcome: Outcome::Unknown,
        ..CapturedStatement::default()
    };
    if texts.is_empty() {
        return vec![statement("")];
    }
    texts.iter().map(|text| statement(text)).collect()
}

/// What the reply says of each statement: those before an error took effect, those behind it did
/// not run. Of one that failed it is not said that it did nothing: DROP TABLE a, b may have dropped
/// one, CALL may have done half. It stands there without its words.
fn settled(texts: &[&str], mode: Mode, reply: &Reply) -> Vec<CapturedStatement> {
    let opaque = texts
        .iter()
        .any(|text| sql::effect(text, mode) == Effect::Opaque);
    let failed = matches!(reply.results.last(), Some(Ending::Err { .. }));
    let ran = reply.results.len();
    let matched = match failed {
        true => ran <= texts.len(),
        false => ran == texts.len(),
    };
    // CALL has as many results as it likes: the reply cannot be laid over the statements.
    if texts.is_empty() || opaque || !matched {
        return vec![CapturedStatement {
            outcome: Outcome::Unknown,
            ..CapturedStatement::default()
        }];
    }
    let mut statements = Vec::new();
    for (text, ending) in texts.iter().zip(&reply.results) {
        let changes = sql::effect(text, mode) != Effect::Reads;
        match ending {
            Ending::Ok { warnings, .. } | Ending::Rows { warnings, .. } if changes => {
                statements.push(CapturedStatement {
                    text: (*text).to_owned(),
                    warnings: *warnings,
                    ..CapturedStatement::default()
                });
            }
            Ending::Err { .. } if changes => statements.push(CapturedStatement {
                outcome: Outcome::Unknown,
                ..CapturedStatement::default()
            }),
            _ => {}
        }
    }
    statements
}

/// Tells the client that its statement was not run.
async fn refuse(live: &mut Live<'_>, reason: &str) -> Result<(), End> {
    let code = Code::UNKNOWN;
    let message = format!("the statement was not run: the proxy's journal: {reason}");
    let mut out = Vec::new();
    Report::new(code, &message).encode(&mut 1, &mut out);
    live.reply(&out).await
}

#[cfg(test)]
mod tests;
