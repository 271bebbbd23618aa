//! One command that is not left to the relay: forwarded, its reply passed on as it comes, and the
//! last message of the reply kept back for the caller.

use tenantsdb_codecs::mysql::auth::encode_response;
use tenantsdb_codecs::mysql::flags::Capabilities;
use tenantsdb_codecs::mysql::frame::{HEADER_BYTES, PACKET_BYTES_MAX};
use tenantsdb_codecs::mysql::pipeline::{Event, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::End;
use super::serve::Live;
use crate::back::mysql::Error as ServerError;
use crate::inbox;
use crate::relay::gate::Traffic as _;
use crate::relay::mysql::Error;

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;

/// Results of one command that are remembered; of one with more none is.
const RESULTS_MAX: usize = 10_000;

/// What a command was answered.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// How each statement ended, in order; empty if there were too many.
    pub(super) results: Vec<Outcome>,
    /// The first message, if it came at once.
    pub(super) first: Vec<u8>,
    /// The last message, to be sent to the client.
    pub(super) last: Vec<u8>,
    /// Messages before the last could not be sent: the client is gone.
    pub(super) client_gone: bool,
}

/// Bytes of a reply that were read and not passed on, and where its messages are in them.
#[derive(Debug, Default)]
struct Unread {
    buf: Vec<u8>,
    /// Looked at up to here.
    seen: usize,
    /// Where the message at hand begins, or the one that has just ended.
    message: usize,
    /// The message at hand is not the last.
    passes: bool,
    /// The message at hand is the last.
    last: bool,
    reply: Reply,
    /// There were more results than are remembered.
    overflowed: bool,
}

/// Sends a whole command, and reads its reply to the end whatever becomes of the client. Not cancel
/// safe.
pub(super) async fn exchange(live: &mut Live<'_>, command: &[u8]) -> Result<Reply, End> {
    let body = command.get(HEADER_BYTES..).unwrap_or_default();
    live.traffic
        .command(body)
        .map_err(|error| End::ClientBroken(error.into()))?;
    let server = &mut live.pooled.connection.stream;
    let sent = async {
        server.write_all(command).await?;
        server.flush().await
    };
    sent.await.map_err(|error| End::ServerGone(Some(error)))?;
    let mut unread = Unread::default();
    loop {
        unread.buf.reserve(READ_BYTES);
        let server = &mut live.pooled.connection.stream;
        match server.read_buf(&mut unread.buf).await {
            Ok(0) => return Err(End::ServerGone(None)),
            Ok(_) => {}
            Err(error) => return Err(End::ServerGone(Some(error))),
        }
        let asks_for_file = unread.look(live).map_err(End::ServerBroken)?;
        unread.pass(live).await;
        if asks_for_file {
            file(live).await?;
        }
        if unread.last && live.traffic.server_at_boundary() {
            unread.reply.last = unread.buf;
            return Ok(unread.reply);
        }
    }
}

// === impl Unread ===

impl Unread {
    /// Goes through what has come. Answers whether the server waits for a file of the client's.
    fn look(&mut self, live: &mut Live<'_>) -> Result<bool, Error> {
        let mut asks_for_file = false;
        while let Some(rest) = self.buf.get(self.seen..).filter(|rest| !rest.is_empty()) {
            if live.traffic.server_at_boundary() {
                if self.last {
                    return Err(Error::Behind);
                }
                self.message = self.seen;
                self.passes = false;
            }
            let (taken, event) = live.traffic.next_reply(rest)?;
            self.seen += taken;
            match event {
                Some(Event::Result { outcome, last }) => {
                    (self.last, self.passes) = (last, !last);
                    self.note(outcome);
                }
                Some(Event::FileRequest) => (self.passes, asks_for_file) = (true, true),
                Some(Event::Part) => self.passes = true,
                None => {}
            }
            if self.reply.first.is_empty() && live.traffic.server_at_boundary() {
                let first = self.buf.get(self.message..self.seen);
                self.reply.first = first.unwrap_or_default().to_vec();
            }
        }
        Ok(asks_for_file)
    }

    fn note(&mut self, outcome: Outcome) {
        let results = &mut self.reply.results;
        if results.len() == RESULTS_MAX {
            self.overflowed = true;
            results.clear();
        }
        if !self.overflowed {
            results.push(outcome);
        }
    }

    /// Passes on what is not the last message, and cannot be.
    async fn pass(&mut self, live: &mut Live<'_>) {
        let passes = if self.passes { self.seen } else { self.message };
        if passes == 0 {
            return;
        }
        let passing: Vec<u8> = self.buf.drain(..passes).collect();
        self.seen -= passes;
        self.message = self.message.saturating_sub(passes);
        let client = &mut live.client.stream;
        let sent = async {
            client.write_all(&passing).await?;
            client.flush().await
        };
        // Its statement runs to the end all the same, and what it did is recorded.
        if !self.reply.client_gone && sent.await.is_err() {
            self.reply.client_gone = true;
        }
    }
}

/// Lets the client send the file that the server has asked it for.
async fn file(live: &mut Live<'_>) -> Result<(), End> {
    if !live
        .traffic
        .capabilities()
        .contains(Capabilities::LOCAL_FILES)
    {
        return Err(End::ServerBroken(Error::FileRequest));
    }
    loop {
        let (stream, inbox) = (&mut live.client.stream, &mut live.client.inbox);
        let packet = inbox.packet(stream, PACKET_BYTES_MAX as usize).await;
        let packet = packet.map_err(|error| match error {
            inbox::Error::Closed => End::ClientGone(None),
            inbox::Error::Io(error) => End::ClientGone(Some(error)),
            inbox::Error::Protocol(error) => End::ClientBroken(error.into()),
        })?;
        let mut out = Vec::new();
        let mut sequence = packet.sequence;
        encode_response(packet.body, &mut sequence, &mut out);
        let bytes = packet.body.len();
        live.traffic.file_data(bytes);
        let server = &mut live.pooled.connection.stream;
        let sent = async {
            server.write_all(&out).await?;
            server.flush().await
        };
        sent.await.map_err(|error| End::ServerGone(Some(error)))?;
        if bytes == 0 {
            return Ok(());
        }
    }
}

/// A server error in the middle of a session, as its end.
pub(super) fn end_of(error: ServerError) -> End {
    match error {
        ServerError::Closed => End::ServerGone(None),
        ServerError::Io(error) => End::ServerGone(Some(error)),
        ServerError::Protocol(error) => End::ServerBroken(error.into()),
        other => End::ServerBroken(Error::Own(other.to_string().into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenantsdb_codecs::mysql::flags::Status;

    #[test]
    fn of_more_results_than_are_remembered_none_is() {
        let mut unread = Unread::default();
        let ok = Outcome::Ok {
            warnings: 0,
            status: Status::NONE,
        };
        for _ in 0..RESULTS_MAX {
            unread.note(ok);
        }
        assert_eq!(unread.reply.results.len(), RESULTS_MAX);
        for _ in 0..RESULTS_MAX + 1 {
            unread.note(ok);
            assert!(unread.reply.results.is_empty());
        }
    }
}
