//! Commands of a workspace session that may change its collections and indexes: recorded before
//! they are forwarded, settled when their reply is known, and confirmed to the client when control
//! has them.
//!
//! ```text
//! client ─ command ─► is the collection there? ─► journal (fsync) ─► server
//!           is it there now? ◄─ reply, held ◄─ server
//!           journal (fsync) ◄─ what took effect
//!           control ◄─ the same; at most 5 s are waited for
//! client ◄─ reply
//! ```
//!
//! Nothing takes effect in a transaction before its commit: that is what is journalled then, with
//! all the transaction has done.
//!
//! Nothing here decides what took effect on the schema: control compares it with what it was. The
//! record gives the words, their order, and who said them.

mod absent;
mod server;

use tenantsdb_codecs::feed::capture::{Capture, CapturedStatement, IMPLICIT, Outcome};
use tenantsdb_codecs::mongo;
use tenantsdb_codecs::mongo::bson::Document;
use tenantsdb_codecs::mongo::client::Request;
use tenantsdb_codecs::mongo::code::Code;
use tenantsdb_codecs::mongo::command::{Effect as Facts, Kept};
use tenantsdb_codecs::mongo::report::report;

use crate::context::Context;
use crate::ddl;
use crate::ddl::mongo::{Effect, Found, Key, Part, Sequences, Structural, Verdict};
use absent::Absent;
pub(crate) use server::{Error, Server};

/// Who the captures of a session are from.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    /// Identity of the session, unique in the fleet.
    pub(crate) session: String,
    /// The workspace database.
    pub(crate) database: String,
    /// Who is logged in.
    pub(crate) user: String,
    /// What the client called itself.
    pub(crate) application_name: String,
}

/// The record of one workspace session.
#[derive(Debug)]
pub(crate) struct Recorder {
    author: Author,
    captures: u64,
}

/// What becomes of a command.
#[derive(Debug)]
pub(crate) enum Before {
    /// It is forwarded as any other.
    Pass,
    /// It is forwarded, its reply is held back whole, and [`Recorder::after`] has it before the
    /// client does.
    Hold(Box<Pending>),
    /// It is not forwarded. The client is sent this reply, if one is owed.
    Refuse(Vec<u8>),
}

/// How a held command ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply<'i> {
    /// This is the last message of its reply.
    Came(Document<'i>),
    /// The client wants none (`moreToCome`); the server may be asked on the same connection.
    NotOwed,
    /// The server connection was lost.
    Lost,
}

/// A command that was journalled, or is part of a transaction.
#[derive(Debug)]
pub(crate) struct Pending {
    /// What was journalled. Of a part of a transaction, nothing.
    capture: Option<Capture>,
    what: What,
}

#[derive(Debug)]
enum What {
    /// On its own: its text if it is structural, and what may come into being.
    Alone(Option<String>, Absent),
    /// Part of a transaction.
    Part(Key, Vec<Part>),
    /// A commit; `None` if it is not known of what.
    Commit(Key, Option<Vec<Part>>),
}

// === impl Recorder ===

impl Recorder {
    pub(crate) const fn new(author: Author) -> Self {
        Self {
            author,
            captures: 0,
        }
    }

    /// The workspace database.
    pub(crate) fn database(&self) -> &str {
        &self.author.database
    }

    /// Looks at a command that is about to be forwarded on this server connection; `pid` is what
    /// the server calls that. `facts` are those of the command's body, `sequences` all that its
    /// message has if it does not stream.
    ///
    /// Not cancel safe: the server connection may be in the middle of a listing.
    ///
    /// # Errors
    ///
    /// The server connection is lost or not usable, or the command is broken
    /// ([`Error::Command`]). It must not be forwarded.
    pub(crate) async fn before<S: Server>(
        &mut self,
        context: &Context,
        (server, pid): (&mut S, i64),
        (request, facts): (&Request<'_>, &Facts<'_>),
        sequences: Sequences<'_, '_>,
    ) -> Result<Before, Error<S::Error>> {
        let effect = ddl::mongo::effect(request, facts, sequences)?;
        if let Some(key) = Key::of(&self.author.database, request) {
            return match facts.kept {
                Kept::Commit => Ok(self.commit(context, key, pid).await),
                Kept::Abort => {
                    context.mongo_transactions.end(&key, false);
                    Ok(Before::Pass)
                }
                _ => {
                    if request.start_transaction {
                        context.mongo_transactions.begin(&key);
                    }
                    self.in_transaction(context, server, key, effect).await
                }
            };
        }
        let absent = Absent::look(context, server, &self.author.database, &effect).await?;
        let mut statements = absent.unknown();
        let text = match effect {
            Effect::Structural(structural) => Some(structural.text),
            _ => None,
        };
        statements.extend(text.as_deref().map(unknown));
        if statements.is_empty() {
            return Ok(Before::Pass);
        }
        Ok(self
            .hold(context, pid, statements, What::Alone(text, absent))
            .await)
    }

    /// What a command in a transaction will have done when that is committed.
    async fn in_transaction<S: Server>(
        &self,
        context: &Context,
        server: &mut S,
        key: Key,
        effect: Effect,
    ) -> Result<Before, Error<S::Error>> {
        let absent = match effect {
            Effect::None => return Ok(Before::Pass),
            // What it makes is not to be seen from outside before the commit.
            Effect::MayCreateAny => Absent::Unknown,
            _ => Absent::look(context, server, &self.author.database, &effect).await?,
        };
        let mut parts = Vec::new();
        match absent {
            Absent::Nothing => {}
            Absent::Named(implicit) => parts.push(Part {
                text: implicit.text,
                makes: Some(implicit.name),
                implicit: true,
            }),
            Absent::Other(_) | Absent::Unknown => {
                context.mongo_transactions.end(&key, false);
                return Ok(Before::Pass);
            }
        }
        if let Effect::Structural(Structural { text, makes, .. }) = effect {
            let implicit = false;
            parts.push(Part {
                text,
                makes,
                implicit,
            });
        }
        if parts.is_empty() {
            return Ok(Before::Pass);
        }
        Ok(Before::Hold(Box::new(Pending {
            capture: None,
            what: What::Part(key, parts),
        })))
    }

    async fn commit(&mut self, context: &Context, key: Key, pid: i64) -> Before {
        let (statements, parts) = match context.mongo_transactions.find(&key) {
            Found::Known(parts) if parts.is_empty() => return Before::Pass,
            Found::Known(parts) => (parts.iter().map(unknown_part).collect(), Some(parts)),
            Found::Unknown => (vec![unknown("")], None),
        };
        let what = What::Commit(key, parts);
        self.hold(context, pid, statements, what).await
    }

    /// Journals a command.
    async fn hold(
        &mut self,
        context: &Context,
        pid: i64,
        statements: Vec<CapturedStatement>,
        what: What,
    ) -> Before {
        self.captures += 1;
        let author = &self.author;
        let capture = Capture {
            id: format!("{}:{}", author.session, self.captures),
            database: author.database.clone(),
            pid,
            user: author.user.clone(),
            application_name: author.application_name.clone(),
            statements,
            context: None,
        };
        if let Err(reason) = ddl::intend(context, &capture).await {
            let text = format!("the command was not run: the proxy's journal: {reason}");
            return Before::Refuse(report(Code::ResourceExhausted, &text, &[]));
        }
        let capture = Some(capture);
        Before::Hold(Box::new(Pending { capture, what }))
    }

    /// Takes how a held command ended. When it returns, control has what took effect, or the
    /// journal has it; the reply may be sent to the client then, also after an error.
    ///
    /// Not cancel safe, as [`Self::before`].
    ///
    /// # Errors
    ///
    /// The server connection is lost or not usable.
    pub(crate) async fn after<S: Server>(
        &self,
        context: &Context,
        server: &mut S,
        pending: Box<Pending>,
        reply: Reply<'_>,
    ) -> Result<(), Error<S::Error>> {
        let verdict = match reply {
            // What cannot be read says nothing.
            Reply::Came(reply) => ddl::mongo::verdict(reply).unwrap_or(Verdict::Unknown),
            Reply::NotOwed | Reply::Lost => Verdict::Unknown,
        };
        let lost = matches!(reply, Reply::Lost);
        let database = &self.author.database;
        let (statements, looked) = match pending.what {
            What::Alone(text, absent) if lost => (alone(text.as_deref(), &absent), Ok(())),
            What::Alone(text, absent) => {
                let (mut statements, looked) = absent.settle(context, server, database).await;
                statements.extend(text.and_then(|text| settled(&text, verdict)));
                (statements, looked)
            }
            What::Part(key, parts) => {
                part(context, &key, parts, verdict);
                return Ok(());
            }
            What::Commit(key, parts) => {
                let ending = commit_ending(reply, verdict);
                match ending {
                    Verdict::Done => context.mongo_transactions.end(&key, true),
                    Verdict::Nothing => context.mongo_transactions.end(&key, false),
                    Verdict::Unknown => {}
                }
                match (ending, parts) {
                    (Verdict::Nothing, _) => (Vec::new(), Ok(())),
                    (Verdict::Done, Some(parts)) => {
                        absent::committed(context, server, database, &parts).await
                    }
                    (_, Some(parts)) => (parts.iter().map(unknown_part).collect(), Ok(())),
                    (_, None) => (vec![unknown("")], Ok(())),
                }
            }
        };
        if let Some(mut capture) = pending.capture {
            capture.statements = statements;
            ddl::deliver(context, capture).await;
        }
        looked
    }
}

/// A command in a transaction has ended.
fn part(context: &Context, key: &Key, parts: Vec<Part>, verdict: Verdict) {
    let transactions = &context.mongo_transactions;
    match verdict {
        Verdict::Done => {
            for part in parts {
                transactions.push(key, part);
            }
        }
        // A transaction is over with its first error, and indexes that were there are no change.
        Verdict::Nothing => {}
        // Its commit is of unknown effect.
        Verdict::Unknown => transactions.end(key, false),
    }
}

/// How a commit ended. After any error that does not say that the transaction was aborted it may
/// have been committed, or will be when the driver sends the commit again.
fn commit_ending(reply: Reply<'_>, verdict: Verdict) -> Verdict {
    match (reply, verdict) {
        (Reply::Came(_), Verdict::Done) => Verdict::Done,
        (Reply::Came(reply), _) if matches!(ddl::mongo::was_aborted(reply), Ok(true)) => {
            Verdict::Nothing
        }
        _ => Verdict::Unknown,
    }
}

/// A command whose reply was lost.
fn alone(text: Option<&str>, absent: &Absent) -> Vec<CapturedStatement> {
    let mut statements = absent.unknown();
    statements.extend(text.map(unknown));
    statements
}

/// A structural command whose reply is known; `None` if it has changed nothing.
fn settled(text: &str, verdict: Verdict) -> Option<CapturedStatement> {
    match verdict {
        // Too long to be recorded, or no text.
        Verdict::Done if text.is_empty() => Some(unknown("")),
        Verdict::Done => Some(done(text)),
        Verdict::Unknown => Some(unknown(text)),
        Verdict::Nothing => None,
    }
}

/// A statement of which nobody knows yet what it did; without words if `text` is empty.
fn unknown(text: &str) -> CapturedStatement {
    CapturedStatement {
        text: text.to_owned(),
        outcome: Outcome::Unknown,
        ..CapturedStatement::default()
    }
}

fn done(text: &str) -> CapturedStatement {
    CapturedStatement {
        text: text.to_owned(),
        ..CapturedStatement::default()
    }
}

fn unknown_part(part: &Part) -> CapturedStatement {
    CapturedStatement {
        tag: if part.implicit { IMPLICIT } else { "" }.to_owned(),
        ..unknown(&part.text)
    }
}

// `?` on commands that are broken.
impl<E> From<mongo::Error> for Error<E> {
    fn from(error: mongo::Error) -> Self {
        Self::Command(error)
    }
}

#[cfg(test)]
mod tests;
