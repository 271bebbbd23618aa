//! What the proxy asks the server on a client's behalf. The client may go away meanwhile: the
//! future is dropped, and with it the connection that the question is under way on.

use tenantsdb_codecs::redis::command::Local;

use super::super::info::{self, Own};
use super::super::login::Proved;
use super::super::opener::Opener;
use super::super::refuse::checkout_text;
use super::super::registry::Member;
use super::super::registry::client::Pins;
use super::answer::Answer;
use super::{is_sync_or_async, script};
use crate::back::redis::Connection;
use crate::core::Core;
use crate::fault::{Fault as _, FaultKind};
use crate::stream::Stream;
use crate::walk::ask::Asker;
use crate::walk::names::Names;
use crate::walk::pubsub::Channels;
use crate::walk::scan::Scan;
use crate::walk::{Error, Walker};
use tokio::net::TcpStream;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) core: &'a Core,
    pub(crate) proved: &'a Proved,
    pub(crate) member: &'a Member,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Done {
    /// For the client.
    pub(crate) answer: Answer,
    /// What came unasked on the session's connection meanwhile, as the server sent it: it goes to
    /// the client before the answer. The last message may be still on its way.
    pub(crate) pushes: Vec<u8>,
    /// Whether all that was asked on the session's connection is answered. Otherwise it is to be
    /// closed.
    pub(crate) is_settled: bool,
}

impl From<Answer> for Done {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            pushes: Vec::new(),
            is_settled: true,
        }
    }
}

/// Whether a command is one of those that are asked about here.
pub(crate) const fn is_job(local: Local) -> bool {
    matches!(
        local,
        Local::Scan
            | Local::Keys
            | Local::RandomKey
            | Local::DbSize
            | Local::Flush
            | Local::PubSub
            | Local::Info
            | Local::ScriptExists
    )
}

/// Whether it needs the connection of the session too, at rest.
pub(crate) const fn needs_session(local: Local) -> bool {
    matches!(local, Local::Flush | Local::ScriptExists)
}

/// Asks; `words` are those behind the command's name. `session` is there if [`needs_session`] says
/// so. Not cancel safe: the session's connection must be closed then.
pub(crate) async fn ask(
    asking: Asking<'_>,
    local: Local,
    words: &[&[u8]],
    session: Option<&mut Connection>,
) -> Done {
    match (local, session) {
        (Local::Flush, Some(session)) => flush(asking, words, session).await,
        (Local::ScriptExists, Some(session)) => {
            let shas = words.get(1..).unwrap_or_default();
            let scripts = &asking.member.tenant().scripts;
            let mut asker = Asker::new(&mut session.stream);
            let done = match script::exists(&mut asker, scripts, shas).await {
                Ok(there) => Answer::Array(there.into_iter().map(Answer::Integer).collect()).into(),
                Err(error) => failed(&error),
            };
            told(done, asker.take_pushes())
        }
        (Local::Scan, _) => match Scan::read(words) {
            Ok(scan) => walk(asking, async |walker| scanned(walker.scan(&scan).await?)).await,
            Err(error) => Answer::error(error.to_string()).into(),
        },
        (Local::Keys, _) => match words {
            [pattern] => {
                let collecting = &asking.core.context.walks.collecting;
                walk(asking, async |walker| {
                    let names = walker.keys(pattern, collecting).await?;
                    Ok(Answer::strings(names))
                })
                .await
            }
            _ => wrong_number("keys"),
        },
        (Local::RandomKey, _) => {
            walk(asking, async |walker| {
                let name = walker.random_key().await?;
                Ok(name.map_or(Answer::Null, |name| Answer::Bulk(name.into())))
            })
            .await
        }
        (Local::DbSize, _) => {
            walk(asking, async |walker| {
                Ok(Answer::count(walker.db_size().await?))
            })
            .await
        }
        (Local::Info, _) => walk(asking, async |walker| tell(asking, words, walker).await).await,
        (Local::PubSub, _) => pubsub(asking, words).await,
        _ => Answer::error("ERR this command cannot be answered here").into(),
    }
}

/// Does something on a connection that looks for names, and gives that back.
async fn walk<F>(asking: Asking<'_>, ask: F) -> Done
where
    F: AsyncFnOnce(&mut Walker<'_, Stream<TcpStream>>) -> Result<Answer, Error>,
{
    let Asking {
        core,
        proved,
        member,
    } = asking;
    let mut pooled = match Opener::walk(&core.context, proved).checkout(core).await {
        Ok(pooled) => pooled,
        Err(error) => {
            return Answer::error(checkout_text(&proved.route.database, &error)).into();
        }
    };
    let turns = core.context.walks.servers.turns(&proved.route.server.id);
    let names = Names::new(proved.prefix().unwrap_or_default().as_bytes());
    let stream = &mut pooled.connection.stream;
    let mut walker = Walker::new(stream, names, &turns, &member.tenant().walks);
    let done = ask(&mut walker).await;
    let is_settled = done.as_ref().err().is_none_or(Error::is_settled);
    if is_settled && walker.is_at_boundary() {
        // Each question was answered, and none leaves anything behind.
        core.redis.put_back(pooled);
    }
    done.map_or_else(|error| failed(&error), Done::from)
}

fn scanned(scanned: crate::walk::scan::Scanned) -> Result<Answer, Error> {
    Ok(Answer::Array(vec![
        Answer::Bulk(scanned.cursor.to_string().into_bytes()),
        Answer::strings(scanned.names),
    ]))
}

async fn flush(asking: Asking<'_>, words: &[&[u8]], session: &mut Connection) -> Done {
    match words {
        [] => {}
        [how] if is_sync_or_async(how) => {}
        _ => return Answer::error("ERR syntax error").into(),
    }
    let mut pushes = Vec::new();
    let done = walk(asking, async |walker| {
        walker.flush(&mut session.stream, &mut pushes).await?;
        Ok(Answer::OK)
    })
    .await;
    told(done, pushes)
}

async fn pubsub(asking: Asking<'_>, words: &[&[u8]]) -> Done {
    let Some((name, rest)) = words.split_first() else {
        return wrong_number("pubsub");
    };
    let subcommand = name.to_ascii_lowercase();
    let kind = if subcommand.starts_with(b"shard") {
        Channels::Shard
    } else {
        Channels::Plain
    };
    match (subcommand.as_slice(), rest) {
        (b"channels" | b"shardchannels", [] | [_]) => {
            let pattern = rest.first().copied();
            walk(asking, async |walker| {
                Ok(Answer::strings(walker.channels(kind, pattern).await?))
            })
            .await
        }
        (b"numsub" | b"shardnumsub", channels) => {
            walk(asking, async |walker| {
                let counts = walker.subscribers(kind, channels).await?;
                let pairs = channels.iter().zip(counts);
                let flat = pairs.flat_map(|(channel, count)| {
                    [Answer::Bulk(channel.to_vec()), Answer::Integer(count)]
                });
                Ok(Answer::Array(flat.collect()))
            })
            .await
        }
        _ => {
            Answer::error("ERR unknown subcommand or wrong number of arguments for 'pubsub'").into()
        }
    }
}

async fn tell(
    asking: Asking<'_>,
    sections: &[&[u8]],
    walker: &mut Walker<'_, Stream<TcpStream>>,
) -> Result<Answer, Error> {
    let route = &asking.proved.route;
    let tenant = asking.member.tenant();
    if info::wants_keys(sections) {
        walker.db_size().await?;
    }
    let text = walker.info().await?;
    let clients = tenant.clients();
    let is_blocked = |pins: Pins| pins.has(Pins::BLOCKING);
    let limits = route.redis.as_deref().cloned().unwrap_or_default();
    let own = Own {
        database: &route.database,
        pool_mode: route.pool_mode,
        limits: &limits,
        clients: clients.len(),
        blocked: clients
            .iter()
            .filter(|it| is_blocked(it.seen.pins()))
            .count(),
        clients_max: route.limits.client_connections_max,
        counted: tenant.walks.usage.last(),
    };
    Ok(Answer::Text(info::view(&text, sections, &own)))
}

fn wrong_number(name: &str) -> Done {
    Answer::error(format!(
        "ERR wrong number of arguments for '{name}' command"
    ))
    .into()
}

/// With what came unasked meanwhile, as long as the connection that it came on is of use.
fn told(mut done: Done, pushes: Vec<u8>) -> Done {
    if done.is_settled {
        done.pushes = pushes;
    }
    done
}

/// What a client is told.
fn failed(error: &Error) -> Done {
    tracing::debug!(%error, fault = %error.kind(), "question about names");
    let answer = match error {
        // The server's own words: loading, out of memory …
        Error::Refused(text) => Answer::error(text.to_string()),
        Error::TooMuch(text) => Answer::error(format!("ERR {text}")),
        error if error.kind() == FaultKind::ServerGone => {
            Answer::error("ERR the database server cannot be reached")
        }
        _ => Answer::error("ERR the database server cannot be used"),
    };
    Done {
        answer,
        pushes: Vec::new(),
        is_settled: error.is_settled(),
    }
}

#[cfg(test)]
mod tests;
