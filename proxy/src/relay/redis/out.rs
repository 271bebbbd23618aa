//! What goes out to one side: gathered from pieces of what was read and of our own, written at
//! once, and kept as far as the side does not take it.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tenantsdb_codecs::redis::sink::Sink;
use tokio::io::AsyncWrite;

use crate::relay::scratch::{Leftover, SCRATCH_BYTES};

/// Shorter pieces of the input are copied behind what stands before them: a copy costs less than a
/// further place in the system call.
const PASS_BYTES_MIN: usize = 1024;

/// Pieces written by one system call.
const SLICES_MAX: usize = 32;

thread_local! {
    /// Room for the pieces of one poll, kept between two.
    static ROOM: Cell<(Vec<u8>, Vec<Part>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

/// One message after the other, of bytes that are in the input and bytes that are not.
#[derive(Debug)]
pub(crate) struct Pieces<'i> {
    input: &'i [u8],
    /// Where in the input what is being rewritten begins: ranges are counted from here.
    base: usize,
    text: Vec<u8>,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    /// Of the text, up to this place.
    Text(usize),
    Input(Range<usize>),
}

/// What one side has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    rest: Option<Leftover>,
    /// How much of it is written.
    at: usize,
    /// Bytes may be in the writer's own buffer (TLS).
    unflushed: bool,
    bytes: u64,
}

// === impl Pieces ===

impl<'i> Pieces<'i> {
    pub(crate) fn new(input: &'i [u8]) -> Self {
        let (text, parts) = ROOM.take();
        Self {
            input,
            base: 0,
            text,
            parts,
        }
    }

    /// What is passed from now on is counted from this place of the input.
    pub(crate) const fn set_base(&mut self, base: usize) {
        self.base = base;
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.text.is_empty() && self.parts.is_empty()
    }

    /// Bytes of our own, and copied ones.
    pub(crate) const fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// To be appended to by who writes to a vector.
    pub(crate) fn with_text<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let written = write(&mut self.text);
        self.note_text();
        written
    }

    fn note_text(&mut self) {
        let end = self.text.len();
        match self.parts.last_mut() {
            Some(Part::Text(last)) => *last = end,
            _ => self.parts.push(Part::Text(end)),
        }
    }

    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        self.parts.iter().map(move |part| match part {
            Part::Text(end) => {
                let slice = self.text.get(from..*end);
                from = *end;
                slice.unwrap_or_default()
            }
            Part::Input(range) => self.input.get(range.clone()).unwrap_or_default(),
        })
    }

    /// What is behind the first `skip` bytes.
    fn slices_behind(&self, mut skip: usize) -> impl Iterator<Item = &[u8]> {
        self.slices().filter_map(move |slice| {
            let skipped = skip.min(slice.len());
            skip -= skipped;
            slice.get(skipped..).filter(|slice| !slice.is_empty())
        })
    }
}

impl Sink for Pieces<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
        self.note_text();
    }

    fn pass(&mut self, range: Range<usize>) {
        let range = range.start + self.base..range.end + self.base;
        if range.len() < PASS_BYTES_MIN {
            let bytes = self.input.get(range).unwrap_or_default();
            self.text.extend_from_slice(bytes);
            self.note_text();
            return;
        }
        match self.parts.last_mut() {
            Some(Part::Input(last)) if last.end == range.start => last.end = range.end,
            _ => self.parts.push(Part::Input(range)),
        }
    }
}

impl Drop for Pieces<'_> {
    fn drop(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        let mut parts = std::mem::take(&mut self.parts);
        text.clear();
        text.shrink_to(SCRATCH_BYTES);
        parts.clear();
        // On a thread that is ending there is nothing to keep it for.
        let _ = ROOM.try_with(|room| room.set((text, parts)));
    }
}

// === impl Outbox ===

impl Outbox {
    /// Whether all has been taken.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_none() && !self.unflushed
    }

    /// Bytes that have not been taken.
    pub(crate) fn waiting(&self) -> usize {
        let kept = self.rest.as_ref().map_or(0, |rest| rest.len());
        kept.saturating_sub(self.at)
    }

    /// Bytes taken so far.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// To be written with the next poll.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match &mut self.rest {
            Some(rest) => rest.extend_from_slice(bytes),
            None => {
                self.rest = Some(Leftover::copy(bytes));
                self.at = 0;
            }
        }
    }

    /// The same for pieces.
    pub(crate) fn push_all(&mut self, pieces: &Pieces<'_>) {
        for slice in pieces.slices() {
            self.push(slice);
        }
    }

    /// What has not been taken, for whoever writes it now.
    pub(crate) fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.rest.take();
        let left = rest.as_ref().and_then(|rest| rest.get(self.at..));
        left.unwrap_or_default().to_vec()
    }

    /// Writes what is left of before. `Pending`: the side takes no more now, and wakes the task.
    pub(crate) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = &self.rest {
            let left = rest.get(self.at..).unwrap_or_default();
            if left.is_empty() {
                self.rest = None;
                self.at = 0;
                break;
            }
            let written = ready!(Pin::new(&mut *to).poll_write(cx, left))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.at += written;
            self.bytes += written as u64;
            self.unflushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Has what was written go out. `Pending` as [`Self::poll_drain`].
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(Pin::new(to).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes pieces, and keeps what the side does not take.
    pub(crate) fn send(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &Pieces<'_>,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let mut sent = 0;
        while self.rest.is_none() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut count = 0;
            for (place, slice) in slices.iter_mut().zip(pieces.slices_behind(sent)) {
                *place = IoSlice::new(slice);
                count += 1;
            }
            let written = match slices.get(..count) {
                None | Some([]) => return Ok(()),
                Some([one]) => Pin::new(&mut *to).poll_write(cx, one),
                Some(many) => Pin::new(&mut *to).poll_write_vectored(cx, many),
            };
            match written {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    sent += written;
                    self.bytes += written as u64;
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        for slice in pieces.slices_behind(sent) {
            self.push(slice);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    fn pieces(input: &[u8]) -> Pieces<'_> {
        let mut pieces = Pieces::new(input);
        pieces.put(b"head ");
        pieces.pass(0..10);
        pieces.set_base(10);
        pieces.pass(0..3000);
        pieces.pass(3000..5000);
        pieces.put(b" tail");
        pieces
    }

    #[tokio::test]
    async fn what_is_not_taken_at_once_is_kept_in_order() {
        let input: Vec<u8> = (0..6000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let expected = [b"head ", &input[..5010], b" tail"].concat();
        for room in [1, 7, 1000, 5015, 100_000] {
            let (mut near, mut far) = tokio::io::duplex(room);
            let mut outbox = Outbox::default();
            let gathered = pieces(&input);
            std::future::poll_fn(|cx| {
                outbox.send(cx, &gathered, &mut near).unwrap();
                Poll::Ready(())
            })
            .await;
            drop(gathered);
            outbox.push(b"!");
            let mut read = vec![0; expected.len() + 1];
            let drain = std::future::poll_fn(|cx| outbox.poll_drain(cx, &mut near));
            let (drained, _) = tokio::join!(drain, far.read_exact(&mut read));
            drained.unwrap();
            assert_eq!(read, [&expected, &b"!"[..]].concat());
            assert_eq!(outbox.bytes(), expected.len() as u64 + 1);
        }
    }

    #[test]
    fn few_places_are_needed() {
        let input = [0; 6000];
        assert_eq!(pieces(&input).parts.len(), 3);
    }
}
