//! Message by message through a stream that is forwarded as it comes.
//!
//! Headers are read, bodies pass unread but for the few bytes that somebody asks for. Where the
//! stream is cut into chunks makes no difference to what is seen.

use tenantsdb_codecs::postgres::Error;
use tenantsdb_codecs::postgres::frame::{Header, Walk};

use crate::relay::gate::{Flow, Look};

/// Whoever looks at the messages of one direction.
pub(crate) trait Watch {
    /// A message begins. Called with its first byte, before the header is whole; what is not to be
    /// forwarded at all must be stopped here.
    fn begins(&mut self, _tag: u8) -> Flow {
        Flow::On
    }

    /// A header is whole. Answers how many bytes of the body are to be shown; 0 for none.
    fn header(&mut self, header: Header) -> usize;

    /// The bytes that were asked for, or the whole body if it is shorter. Not called for a body
    /// without bytes.
    ///
    /// # Errors
    ///
    /// They cannot be what they should be; the stream is of no more use.
    fn body(&mut self, header: Header, start: &[u8]) -> Result<Flow, Error>;
}

/// Where a direction stands between two messages, or in one.
#[derive(Debug, Default)]
pub(crate) struct Skim {
    walk: Walk,
    /// Header of the message under way, while bytes of its body are still to be shown.
    wanted: Option<(Header, usize)>,
    /// Bytes to be shown that came in earlier chunks.
    kept: Vec<u8>,
}

impl Skim {
    /// Whether the next byte begins a message.
    pub(crate) fn at_boundary(&self) -> bool {
        self.walk.at_boundary()
    }

    /// Looks at the next bytes of the stream.
    ///
    /// # Errors
    ///
    /// A length that cannot be, or what `watch` finds wrong.
    pub(crate) fn look(&mut self, input: &[u8], watch: &mut impl Watch) -> Result<Look, Error> {
        let mut at = 0;
        let mut message = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            if self.walk.at_boundary() {
                message = at;
                let flow = rest.first().map_or(Flow::On, |tag| watch.begins(*tag));
                if flow != Flow::On {
                    return Ok(Look {
                        pass: at,
                        seen: at,
                        flow,
                    });
                }
            }
            let (taken, header) = self.walk.step(rest)?;
            at += taken;
            let flow = match header {
                Some(header) => self.header(header, watch),
                None => self.body(rest.get(..taken).unwrap_or_default(), watch)?,
            };
            if flow != Flow::On {
                return Ok(Look {
                    pass: message,
                    seen: at,
                    flow,
                });
            }
        }
        Ok(Look {
            pass: at,
            seen: at,
            flow: Flow::On,
        })
    }

    fn header(&mut self, header: Header, watch: &mut impl Watch) -> Flow {
        let body_bytes = usize::try_from(header.body_bytes()).unwrap_or(usize::MAX);
        let wanted = watch.header(header).min(body_bytes);
        self.wanted = (wanted > 0).then_some((header, wanted));
        Flow::On
    }

    /// `piece` is the next piece of the body under way.
    fn body(&mut self, piece: &[u8], watch: &mut impl Watch) -> Result<Flow, Error> {
        let Some((header, wanted)) = self.wanted else {
            return Ok(Flow::On);
        };
        let missing = wanted - self.kept.len();
        let (piece, whole) = match piece.get(..missing) {
            Some(piece) => (piece, true),
            None => (piece, false),
        };
        if !whole {
            self.kept.extend_from_slice(piece);
            return Ok(Flow::On);
        }
        self.wanted = None;
        if self.kept.is_empty() {
            return watch.body(header, piece);
        }
        let mut shown = std::mem::take(&mut self.kept);
        shown.extend_from_slice(piece);
        watch.body(header, &shown)
    }
}

#[cfg(test)]
mod tests;
