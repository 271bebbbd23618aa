//! A client, as far as it is known without a server: what it sent and was not used, what it is to
//! be sent with the next flush, and how its last request is to be answered.

use std::net::SocketAddr;

use tenantsdb_codecs::mongo::Error as ProtocolError;
use tenantsdb_codecs::mongo::code::Code;
use tenantsdb_codecs::mongo::frame::{HEADER_LENGTH, Header, Opcode};
use tenantsdb_codecs::mongo::op_msg::{self, Flags};
use tenantsdb_codecs::mongo::report::report;
use tenantsdb_codecs::mongo::startup::{self, Hello};
use tokio::io::{AsyncRead, AsyncWrite};

use super::refuse::Refusal;
use crate::front::send_out;
use crate::inbox::{self, Inbox};
use crate::stream::Stream;

/// In the first byte of an OP_MSG's flags.
const CHECKSUM_PRESENT: u8 = 1;

/// A client between two of its requests, or between one and its reply.
#[derive(Debug)]
pub(crate) struct Client<T> {
    pub(crate) stream: Stream<T>,
    pub(crate) inbox: Inbox,
    /// To be sent.
    pub(crate) out: Vec<u8>,
    /// `connectionId` of its hello.
    pub(crate) id: i64,
    /// What it has said of itself.
    pub(crate) introduction: Introduction,
    pub(crate) peer: SocketAddr,
    /// What it asked last, and is owed the reply to.
    asked: Option<Asked>,
    /// Number of the last message from us.
    last: i32,
}

/// What hellos of a client said that holds for all of its connection.
#[derive(Debug, Default)]
pub(crate) struct Introduction {
    /// What its user calls it.
    pub(crate) application: String,
    /// It thinks that it talks to a load balancer, and is told which service it has got.
    pub(crate) load_balanced: bool,
    /// It has said hello.
    greeted: bool,
}

/// How a request is answered.
#[derive(Clone, Copy, Debug)]
struct Asked {
    request_id: i32,
    /// OP_QUERY is answered by OP_REPLY, all else by OP_MSG.
    opcode: Opcode,
    /// With a checksum if it had one.
    checksum: bool,
}

// === impl Introduction ===

impl Introduction {
    /// Takes note of a hello.
    ///
    /// # Errors
    ///
    /// It says what the client is, and is not the first.
    pub(super) fn take(&mut self, hello: &Hello<'_>) -> Result<(), Refused> {
        self.check(hello)?;
        self.greeted = true;
        self.load_balanced |= hello.load_balanced;
        if let Some(client) = &hello.client {
            client.application.clone_into(&mut self.application);
        }
        Ok(())
    }

    /// The same of a hello whose client is logged in: what it says holds for its reply alone.
    ///
    /// # Errors
    ///
    /// It says what the client is, and is not the first.
    pub(super) fn check(&self, hello: &Hello<'_>) -> Result<(), Refused> {
        match self.greeted && hello.client.is_some() {
            true => Err(Refused),
            false => Ok(()),
        }
    }
}

/// What a client is, it says once.
#[derive(Debug)]
pub(super) struct Refused;

impl Refused {
    /// The reply (`ClientMetadata::setFromMetadata` in
    /// `src/mongo/rpc/metadata/client_metadata.cpp`).
    pub(super) fn report(&self) -> Vec<u8> {
        const TEXT: &str = "The client metadata document may only be sent in the first hello";
        report(Code::ClientMetadataCannotBeMutated, TEXT, &[])
    }
}

// === impl Client ===

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    pub(super) fn new(stream: Stream<T>, peer: SocketAddr, id: i64) -> Self {
        Self {
            stream,
            inbox: Inbox::default(),
            out: Vec::new(),
            id,
            introduction: Introduction::default(),
            peer,
            asked: None,
            last: 0,
        }
    }

    /// Waits for one whole message of at most `bytes_max` bytes, which stays at the front of the
    /// inbox; its length. What the client is owed is sent before. Cancel safe once that is sent.
    pub(super) async fn message(&mut self, bytes_max: usize) -> Result<usize, Refusal> {
        self.send().await?;
        loop {
            if let Some(header) = Header::read(self.inbox.unread(), bytes_max)?
                && self.inbox.unread().len() >= header.length
            {
                let flags = self.inbox.unread().get(HEADER_LENGTH);
                let checksum = flags.is_some_and(|bits| bits & CHECKSUM_PRESENT != 0);
                self.asked(header, header.opcode == Opcode::Msg && checksum);
                return Ok(header.length);
            }
            self.inbox.fill(&mut self.stream).await?;
        }
    }

    /// Waits until a message has begun to come. What the client is owed is sent before. Cancel safe
    /// once that is sent.
    pub(super) async fn begin(&mut self) -> Result<(), Refusal> {
        self.send().await?;
        while self.inbox.unread().is_empty() {
            self.inbox.fill(&mut self.stream).await?;
        }
        Ok(())
    }

    /// Takes note of what is to be answered next.
    pub(crate) fn asked(&mut self, header: Header, checksum: bool) {
        self.asked = Some(Asked {
            request_id: header.request_id,
            opcode: header.opcode,
            checksum,
        });
    }

    /// Puts the reply to the last request, a document, behind what is to be sent. Nothing where
    /// there was no request, or it has been answered.
    pub(crate) fn reply(&mut self, document: &[u8]) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        self.last = self.last.wrapping_add(1);
        let (id, to) = (self.last, asked.request_id);
        if asked.opcode == Opcode::Query {
            let flags = startup::REPLY_AWAIT_CAPABLE;
            startup::write_reply(id, to, flags, document, &mut self.out);
        } else {
            let flags = Flags {
                checksum_present: asked.checksum,
                ..Flags::NONE
            };
            op_msg::write(id, to, flags, document, &mut self.out);
        }
    }

    /// Leaves the last request without a reply: it did not ask for one.
    pub(crate) fn unanswered(&mut self) {
        self.asked = None;
    }

    /// Sends what is to be sent. Not cancel safe.
    pub(crate) async fn send(&mut self) -> Result<(), Refusal> {
        if self.out.is_empty() {
            return Ok(());
        }
        Ok(send_out(&mut self.stream, &mut self.out).await?)
    }
}

impl From<inbox::Error<ProtocolError>> for Refusal {
    fn from(error: inbox::Error<ProtocolError>) -> Self {
        match error {
            inbox::Error::Closed => Self::Gone(None),
            inbox::Error::Io(error) => Self::Gone(Some(error)),
            inbox::Error::Protocol(error) => Self::Protocol(error),
        }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::Gone(Some(error))
    }
}
