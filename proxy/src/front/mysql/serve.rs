//! A session: relayed, but for the commands that are the proxy's business.

use std::collections::HashMap;
use std::sync::Arc;

use tenantsdb_codecs::feed::route::Kind;
use tenantsdb_codecs::mysql::client::Command;
use tenantsdb_codecs::mysql::frame::{HEADER_BYTES, Message, message};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::End;
use super::client::Client;
use super::handshake::Startup;
use super::{Ended, Opened, change_user, kill, workspace};
use crate::back::mysql::Connection;
use crate::core::Core;
use crate::inbox::{self, Inbox};
use crate::pool::Pooled;
use crate::relay::Relay;
use crate::relay::gate::Traffic as _;
use crate::relay::mysql::Traffic;
use crate::route::Route;
use crate::session::Session;

/// A session that goes on.
pub(super) struct Live<'a> {
    pub(super) core: &'a Core,
    pub(super) session: &'a Session,
    pub(super) client: &'a mut Client<TcpStream>,
    pub(super) startup: &'a mut Startup,
    pub(super) pooled: &'a mut Pooled<Connection>,
    pub(super) traffic: &'a mut Traffic,
    pub(super) route: &'a Arc<Route>,
    pub(super) flavour: tenantsdb_codecs::mysql::Flavour,
    pub(super) peer: std::net::IpAddr,
    /// Texts of prepared statements that may be DDL. Workspaces only.
    pub(super) prepared: HashMap<u32, String>,
    /// The statement that was prepared last, if it is one of these.
    pub(super) prepared_last: Option<u32>,
    /// Commands that were recorded.
    pub(super) captures: u64,
}

/// Serves a client that has been told that its session begins, until one side ends. Not cancel
/// safe: the server connection is in the middle of something and must be closed.
pub(super) async fn serve(core: &Core, session: &Session, opened: &mut Opened) -> Ended {
    let capabilities = opened.pooled.connection.session.capabilities;
    let inspects = opened.route.kind == Kind::Workspace;
    let mut traffic = Traffic::new(capabilities, inspects);
    let mut live = Live {
        core,
        session,
        client: &mut opened.client,
        startup: &mut opened.startup,
        pooled: &mut opened.pooled,
        traffic: &mut traffic,
        route: &opened.route,
        flavour: opened.flavour,
        peer: opened.peer.ip(),
        prepared: HashMap::new(),
        prepared_last: None,
        captures: 0,
    };
    live.run().await
}

// === impl Live ===

impl Live<'_> {
    async fn run(&mut self) -> Ended {
        let mut bytes = (0, 0);
        loop {
            let early = std::mem::take(&mut self.client.inbox).into_unread();
            let mut relay = Relay::new(
                &mut self.client.stream,
                &mut self.pooled.connection.stream,
                early,
                self.traffic,
                &self.core.context.captures,
            );
            let mut ended = relay.run(&self.core.context.drain).await;
            bytes = (bytes.0 + ended.bytes.0, bytes.1 + ended.bytes.1);
            ended.bytes = bytes;
            if !matches!(ended.end, End::Asked) {
                return ended;
            }
            self.client.inbox = Inbox::of(relay.take_unwritten());
            self.traffic.answered();
            // Boxed, for hardly any session has such commands.
            if let Err(end) = Box::pin(self.answer()).await {
                return self.ended(end, bytes);
            }
        }
    }

    /// Does what the client's next command asks for, or lets it pass. When it returns the server
    /// waits for the next.
    async fn answer(&mut self) -> Result<(), End> {
        let command = self.command().await?;
        match command {
            Command::QUIT => Err(End::Goodbye),
            Command::CHANGE_USER => change_user::answer(self).await,
            Command::PROCESS_KILL => kill::answer_command(self).await,
            Command::QUERY | Command::STMT_PREPARE | Command::STMT_EXECUTE
                if self.route.kind == Kind::Workspace =>
            {
                workspace::answer(self, command).await
            }
            Command::QUERY => kill::answer_query(self).await,
            _ => {
                self.traffic.pass_next();
                Ok(())
            }
        }
    }

    /// Which command is next: its first byte behind the header.
    async fn command(&mut self) -> Result<Command, End> {
        loop {
            if let Some(command) = self.client.inbox.unread().get(HEADER_BYTES) {
                return Ok(Command(*command));
            }
            // A packet without a body is no command; the server says so.
            if self.client.inbox.unread().starts_with(&[0, 0, 0]) {
                return Ok(Command(0));
            }
            self.fill().await?;
        }
    }

    /// The whole of the client's next message, header included; `None` if it has more than
    /// `bytes_max`, or is none. What is left in the inbox is unchanged then.
    pub(super) async fn whole(&mut self, bytes_max: usize) -> Result<Option<Whole>, End> {
        loop {
            match message(self.client.inbox.unread(), bytes_max) {
                Ok(Some(Message { body, bytes, .. })) => {
                    let body = body.into_owned();
                    return Ok(Some(Whole { body, bytes }));
                }
                Ok(None) => self.fill().await?,
                Err(_) => return Ok(None),
            }
        }
    }

    /// Takes a message off the front of what the client has sent.
    pub(super) fn take(&mut self, whole: &Whole) -> Vec<u8> {
        let bytes = self.client.inbox.unread().get(..whole.bytes);
        let taken = bytes.unwrap_or_default().to_vec();
        self.client.inbox.take(whole.bytes);
        taken
    }

    /// Waits for more from the client.
    async fn fill(&mut self) -> Result<(), End> {
        let filled = tokio::select! {
            filled = self.client.inbox.fill::<std::convert::Infallible>(&mut self.client.stream) => filled,
            () = self.core.context.drain.stopping() => return Err(End::Drained),
        };
        filled.map_err(|error| match error {
            inbox::Error::Closed => End::ClientGone(None),
            inbox::Error::Io(error) => End::ClientGone(Some(error)),
            inbox::Error::Protocol(never) => match never {},
        })
    }

    /// Sends the client what it waits for.
    pub(super) async fn reply(&mut self, bytes: &[u8]) -> Result<(), End> {
        let client = &mut self.client.stream;
        let sent = async {
            client.write_all(bytes).await?;
            client.flush().await
        };
        sent.await.map_err(|error| End::ClientGone(Some(error)))
    }

    /// A session that ended in the middle of a command that is the proxy's business.
    fn ended(&self, end: End, bytes: (u64, u64)) -> Ended {
        let at_rest = self.traffic.is_settled();
        Ended {
            settled: at_rest,
            busy: self.traffic.may_be_at_work(),
            client_at_boundary: self.traffic.server_at_boundary(),
            server_explained: self.traffic.server_explained(),
            bytes,
            end,
        }
    }
}

/// One message of a client, as it was found.
pub(super) struct Whole {
    pub(super) body: Vec<u8>,
    /// With its headers.
    bytes: usize,
}
