//! Requests of a workspace's session: those that may change it are recorded.

use tenantsdb_codecs::mongo::Error as ProtocolError;
use tenantsdb_codecs::mongo::bson::validate;
use tenantsdb_codecs::mongo::client::Request;
use tenantsdb_codecs::mongo::code::Code;
use tenantsdb_codecs::mongo::command::{Verdict, decide};
use tenantsdb_codecs::mongo::frame::MESSAGE_BYTES_MAX;
use tenantsdb_codecs::mongo::op_msg::{Documents, Head, Message, Opening};
use tenantsdb_codecs::mongo::report::report;
use tokio::time::timeout;

use super::{End, Live, STALLED_MAX, note_reply};
use crate::back::mongo::{Connection, Error as ServerError};
use crate::front::mongo::refuse::Refusal;
use crate::front::mongo::workspace::{Before, Error, Pending, Recorder, Reply, Server};
use crate::relay::mongo::{self as relay, Broken};

/// Longest command in bytes that changes the schema, as a message. The server puts its sequences
/// into one document, which has no room for more.
const COMMAND_BYTES_MAX: usize = 17 << 20;

/// Documents inside one another in such a command: what a server holds may be nested deeper, but
/// what is recorded is JSON, whose readers stop at 127.
const COMMAND_DEPTH_MAX: usize = 100;

impl Server for Connection {
    type Error = ServerError;

    async fn ask(&mut self, command: &[u8]) -> Result<Vec<u8>, ServerError> {
        let reply = Self::ask(self, command).await?;
        Ok(reply.document()?.bytes().to_vec())
    }
}

impl Live<'_> {
    /// As `exchange`, with a record of what the request changes.
    pub(super) async fn recorded(&mut self, head: Head, is_answered: bool) -> Result<(), Broken> {
        match self.before(head).await {
            Ok(Before::Pass) => self.exchange(head, is_answered).await,
            Ok(Before::Hold(pending)) => self.held(head, is_answered, pending).await,
            Ok(Before::Refuse(document)) => {
                self.pass_over_broken(head).await?;
                if is_answered {
                    self.client.reply(&document);
                    let sent = self.client.send().await;
                    sent.map_err(|_| Broken::ClientGone(None))?;
                }
                Ok(())
            }
            Err(broken @ Broken::Server { .. }) => {
                self.pass_over_broken(head).await?;
                Err(broken)
            }
            Err(broken) => Err(broken),
        }
    }

    async fn before(&mut self, head: Head) -> Result<Before, Broken> {
        let Some(database) = self.recorder.as_ref().map(Recorder::database) else {
            return Ok(Before::Pass);
        };
        // Whether it may go on has been decided; this is what it does.
        let unread = self.client.inbox.unread();
        let request = Request::read(opening(unread)?.body).map_err(Broken::Client)?;
        let verdict = decide(&request, database, true).map_err(Broken::Client)?;
        let Verdict::Forward(facts) = verdict else {
            return Ok(Before::Pass);
        };
        let whole = !facts.streams;
        if whole && head.header.length > COMMAND_BYTES_MAX {
            let text = "the command is longer than a document may be";
            let document = report(Code::BsonObjectTooLarge, text, &[]);
            return Ok(Before::Refuse(document));
        }
        if whole {
            let filled = timeout(STALLED_MAX, self.fill_up_to(head.header.length)).await;
            filled.unwrap_or(Err(Broken::ClientGone(None)))?;
        }
        self.look(head, whole).await
    }

    /// With all of the request in the inbox, if it is to be `whole`.
    async fn look(&mut self, head: Head, whole: bool) -> Result<Before, Broken> {
        let (Some(recorder), Some(pooled)) = (&mut self.recorder, &mut self.server) else {
            return Ok(Before::Pass);
        };
        let unread = self.client.inbox.unread();
        let message = whole.then(|| unread.get(..head.header.length).unwrap_or_default());
        let message = message.map(Message::read).transpose();
        let message = message.map_err(Broken::Client)?;
        let sequences: Vec<(&str, Documents<'_>)> = message
            .iter()
            .flat_map(|message| message.sequences())
            .collect();
        let request = Request::read(opening(unread)?.body).map_err(Broken::Client)?;
        let verdict = decide(&request, recorder.database(), true).map_err(Broken::Client)?;
        let Verdict::Forward(facts) = verdict else {
            return Ok(Before::Pass);
        };
        if facts.structural && is_too_deep(&request)? {
            let text = format!(
                "a command that changes the structure of a workspace may be nested \
                 {COMMAND_DEPTH_MAX} deep"
            );
            return Ok(Before::Refuse(report(Code::Overflow, &text, &[])));
        }
        let pid = pooled.connection.session.connection_id;
        let (server, request) = ((&mut pooled.connection, pid), (&request, &facts));
        let context = &self.core.context;
        let before = recorder.before(context, server, request, &sequences);
        before.await.map_err(broken)
    }

    /// Forwards a request that is in the journal. Whatever becomes of the client: its reply is
    /// waited for, and what it did is recorded.
    async fn held(
        &mut self,
        head: Head,
        is_answered: bool,
        pending: Box<Pending>,
    ) -> Result<(), Broken> {
        self.sending()?;
        let (Some(recorder), Some(pooled)) = (&self.recorder, &mut self.server) else {
            return Ok(());
        };
        let (context, server) = (&self.core.context, &mut pooled.connection);
        let (client, moved) = (&mut self.client, &mut self.moved);
        let (from, inbox) = (&mut client.stream, &mut client.inbox);
        let what = (head, &*self.proved.route.database);
        let sent = relay::request(from, inbox, server, what, moved);
        let sent = timeout(STALLED_MAX, sent).await;
        self.body = None;
        let id = match sent.unwrap_or(Err(Broken::ClientGone(None))) {
            Ok(id) => id,
            Err(lost) => {
                let after = recorder.after(context, server, pending, Reply::Lost);
                after.await.map_err(broken)?;
                return Err(lost);
            }
        };
        if !is_answered {
            client.unanswered();
            self.unconfirmed = true;
            let after = recorder.after(context, server, pending, Reply::NotOwed);
            return after.await.map_err(broken);
        }
        let held = relay::hold(server, id).await;
        let failed = |error: ServerError, begun| Broken::Server { error, begun };
        let message = match held {
            Ok(message) => message,
            Err(error) => {
                let after = recorder.after(context, server, pending, Reply::Lost);
                after.await.map_err(broken)?;
                return Err(failed(error, false));
            }
        };
        let reply = Message::read(&message).map_err(|error| failed(error.into(), false))?;
        let after = recorder
            .after(context, server, pending, Reply::Came(reply.body))
            .await;
        let (what, id) = ((&reply, reply.body.bytes()), head.header.request_id);
        relay::let_go(&mut client.stream, what, id, moved).await?;
        client.unanswered();
        self.unconfirmed = false;
        note_reply((&mut self.exchange, &self.member), reply.body, false)?;
        match after.map_err(broken) {
            // The client has its reply.
            Err(Broken::Server { error, .. }) => Err(failed(error, true)),
            other => other,
        }
    }

    async fn fill_up_to(&mut self, bytes: usize) -> Result<(), Broken> {
        while self.client.inbox.unread().len() < bytes {
            let filled = self
                .client
                .inbox
                .fill::<ProtocolError>(&mut self.client.stream);
            filled.await.map_err(|_| Broken::ClientGone(None))?;
        }
        Ok(())
    }

    async fn pass_over_broken(&mut self, head: Head) -> Result<(), Broken> {
        let passed = self.pass_over(head).await;
        passed.map_err(|end| match end {
            End::Client(Refusal::Protocol(error)) => Broken::Client(error),
            _ => Broken::ClientGone(None),
        })
    }
}

/// Whether it is nested deeper than what can be recorded. It has a body alone: the gate lets no
/// sequence by with a command of this kind.
fn is_too_deep(request: &Request<'_>) -> Result<bool, Broken> {
    match validate(request.body.bytes(), COMMAND_DEPTH_MAX) {
        Err(ProtocolError::Depth(_)) => Ok(true),
        checked => checked.map(|()| false).map_err(Broken::Client),
    }
}

fn opening(unread: &[u8]) -> Result<Opening<'_>, Broken> {
    let opening = Opening::read(unread, MESSAGE_BYTES_MAX).map_err(Broken::Client)?;
    opening.ok_or(Broken::Client(ProtocolError::Truncated("body")))
}

fn broken(error: Error<ServerError>) -> Broken {
    let error = match error {
        Error::Command(error) => return Broken::Client(error),
        Error::Server(error) => error,
        Error::Protocol(error) => ServerError::Protocol(error),
        Error::TimedOut => ServerError::TimedOut,
    };
    Broken::Server {
        error,
        begun: false,
    }
}

#[cfg(test)]
mod tests;
