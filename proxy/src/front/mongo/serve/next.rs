//! The next request of a client, as far as it has to be known to be decided about.

use tenantsdb_codecs::feed::route::PoolMode;
use tenantsdb_codecs::mongo::Error as ProtocolError;
use tenantsdb_codecs::mongo::code::Code;
use tenantsdb_codecs::mongo::frame::{Header, MESSAGE_BYTES_MAX, Opcode};
use tenantsdb_codecs::mongo::op_msg::{self, Flags, Head, Message, Opening, Stream};
use tenantsdb_codecs::mongo::pipeline::{Exchange, Pin};
use tenantsdb_codecs::mongo::report::report;
use tenantsdb_codecs::mongo::startup::Query;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Duration, sleep, timeout};

use super::{End, Live, STALLED_MAX, protocol};
use crate::front::mongo::gate::{self, Decision};
use crate::front::mongo::refuse::Refusal;
use crate::front::mongo::{handshake, offer};
use crate::inbox::Inbox;

/// How long a server connection is kept for a client that asks nothing in an open transaction: the
/// server ends it after 60 s (`transactionLifetimeLimitSeconds`).
const TRANSACTION_KEPT_FOR: Duration = Duration::from_secs(90);
/// The same of an open cursor, which it ends after 10 minutes (`cursorTimeoutMillis`).
const CURSOR_KEPT_FOR: Duration = Duration::from_secs(11 * 60);

/// Read at a time of what is passed over, in bytes.
const CHUNK_BYTES: usize = 16 * 1024;

impl Live<'_> {
    /// Waits for the opening of the next request, and decides.
    pub(super) async fn next(&mut self) -> Result<(Head, Decision), End> {
        loop {
            let pin = self.pin().filter(|_| self.server.is_some());
            let in_transaction = pin == Some(Pin::Transaction);
            let kept_for = match in_transaction {
                true => TRANSACTION_KEPT_FOR,
                false => CURSOR_KEPT_FOR,
            };
            let drain = &self.core.context.drain;
            tokio::select! {
                biased;
                // A transaction is work that is not done: it has as long as a drain has.
                () = drain.draining(), if !in_transaction => {
                    return Err(End::Drained);
                }
                () = drain.stopping() => return Err(End::Drained),
                begun = self.client.begin() => match begun {
                    Err(Refusal::Gone(None)) => return Err(End::Goodbye),
                    begun => break begun.map_err(End::Client)?,
                },
                () = sleep(kept_for), if self.shares() && pin.is_some() => {
                    // Nothing is owed, and the server has given up what was open.
                    self.exchange = Exchange::default();
                    self.pinned
                        .note(&self.core.context.metrics, &self.proved, None);
                    self.release().await;
                }
            }
        }
        self.room().await?;
        let read = timeout(STALLED_MAX, async {
            let (head, mut decision) = self.opening().await?;
            let masked = match &mut decision {
                Decision::Forward(forward) => forward.masked.take(),
                Decision::Answer(_) => None,
            };
            match masked {
                Some(body) => Ok((self.replace(head, &body).await?, decision)),
                None => Ok((head, decision)),
            }
        });
        read.await.unwrap_or(Err(End::Client(Refusal::TooSlow)))
    }

    /// Puts another body into the request at the front of the inbox. It has a body alone.
    async fn replace(&mut self, head: Head, body: &[u8]) -> Result<Head, End> {
        while self.client.inbox.unread().len() < head.header.length {
            self.fill().await?;
        }
        let mut unread = std::mem::take(&mut self.client.inbox).into_unread();
        let behind = unread.split_off(head.header.length);
        let message = Message::read(&unread).map_err(protocol)?;
        let mut out = Vec::with_capacity(unread.len() + body.len());
        op_msg::write(head.header.request_id, 0, message.flags, body, &mut out);
        let opening = Opening::read(&out, MESSAGE_BYTES_MAX).map_err(protocol)?;
        let replaced = opening.map_or(head, |opening| Head::from(&opening));
        out.extend_from_slice(&behind);
        self.client.inbox = Inbox::of(out);
        Ok(replaced)
    }

    async fn opening(&mut self) -> Result<(Head, Decision), End> {
        loop {
            let unread = self.client.inbox.unread();
            let header = Header::read(unread, MESSAGE_BYTES_MAX).map_err(protocol)?;
            let there = unread.len();
            if let Some(header) = header {
                self.client.asked(header, false);
                match header.opcode {
                    Opcode::Msg => {}
                    Opcode::Query if there >= header.length => return self.query(header),
                    // It waits below for the rest.
                    Opcode::Query if header.length <= handshake::MESSAGE_BYTES_MAX => {
                        self.fill().await?;
                        continue;
                    }
                    Opcode::Compressed => return Err(End::Client(Refusal::Compressed)),
                    _ => return Err(protocol(ProtocolError::Unsupported("opcode"))),
                }
            }
            let unread = self.client.inbox.unread();
            if let Some(opening) = Opening::read(unread, MESSAGE_BYTES_MAX).map_err(protocol)? {
                let head = Head::from(&opening);
                let (context, route) = (&self.core.context, &self.proved.route);
                let decided = gate::decide(context, route, &self.client, &opening);
                let decision = decided.map_err(protocol)?;
                self.client.asked(head.header, head.flags.checksum_present);
                return Ok((head, decision));
            }
            self.fill().await?;
        }
    }

    pub(super) async fn fill(&mut self) -> Result<(), End> {
        let filled = self.client.inbox.fill(&mut self.client.stream).await;
        filled.map_err(|error| End::Client(error.into()))
    }

    /// A whole OP_QUERY. Nothing but a hello comes so, of old drivers that watch by a connection
    /// that is logged in.
    fn query(&self, header: Header) -> Result<(Head, Decision), End> {
        let message = self.client.inbox.unread().get(..header.length);
        let query = Query::read(message.unwrap_or_default()).map_err(protocol)?;
        let command = query.command().map_err(protocol)?;
        let document = match command {
            Some((_, command)) if handshake::is_hello(command).map_err(protocol)? => {
                offer::again(&self.core.context, &self.client, command)
            }
            _ => report(Code::UnsupportedOpQueryCommand, handshake::OLD_COMMAND, &[]),
        };
        let head = Head {
            header,
            flags: Flags::NONE,
            bytes: 0,
        };
        Ok((head, Decision::Answer(document)))
    }

    /// Whether its server connection is given back between requests.
    fn shares(&self) -> bool {
        self.proved.route.pool_mode == PoolMode::Transaction
    }

    /// As [`Self::look_over`], all of it in a bounded time.
    pub(super) async fn pass_over(&mut self, head: Head) -> Result<(), End> {
        let passed = timeout(STALLED_MAX, self.look_over(head)).await;
        passed.unwrap_or(Err(End::Client(Refusal::TooSlow)))
    }

    /// Takes a message that is not passed on, without holding it, and looks at what is behind its
    /// body as the server would: layout and checksum. Its opening is there as a whole, and was
    /// looked at.
    async fn look_over(&mut self, head: Head) -> Result<(), End> {
        if head.header.opcode == Opcode::Query {
            // Read as a whole.
            self.client.inbox.take(head.header.length);
            return Ok(());
        }
        let mut unread = std::mem::take(&mut self.client.inbox).into_unread();
        let mut passed = Stream::start(&mut unread, head, 0, 0);
        let behind = unread.get_mut(head.bytes..).unwrap_or_default();
        let bytes = passed.step(behind).map_err(protocol)?;
        let rest = unread.get(head.bytes + bytes..).unwrap_or_default();
        self.client.inbox = Inbox::of(rest.to_vec());
        // It may be long, and what is to come may take long.
        drop(unread);
        self.body = None;
        let mut chunk = Vec::new();
        while passed.left() > 0 {
            chunk.resize(passed.left().min(CHUNK_BYTES), 0);
            let read = self.client.stream.read(&mut chunk).await;
            let part = match read.map_err(|error| End::Client(error.into()))? {
                0 => return Err(End::Client(Refusal::Gone(None))),
                read => chunk.get_mut(..read).unwrap_or_default(),
            };
            passed.step(part).map_err(protocol)?;
        }
        Ok(())
    }
}
