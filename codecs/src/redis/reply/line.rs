//! The text of lines: up to CRLF, in whatever pieces it comes.

use super::context::Out;
use super::cut::is_quote;
use crate::redis::sink::Sink;

/// A line under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Line {
    /// The last byte was a CR.
    cr: bool,
    /// So many bytes behind a quote are those of the prefix; if they came in earlier pieces, they
    /// have not been sent.
    matched: Option<usize>,
}

impl Line {
    /// Goes on with a line of which nothing is taken off. Answers the place behind its end if that
    /// is here.
    pub(super) fn find_end(&mut self, input: &[u8], at: usize) -> Option<usize> {
        let rest = input.get(at..).unwrap_or_default();
        for (place, byte) in rest.iter().enumerate() {
            if self.cr && *byte == b'\n' {
                return Some(at + place + 1);
            }
            self.cr = *byte == b'\r';
        }
        None
    }

    /// The same for an error, without the prefix behind each quote.
    pub(super) fn strip_to_end(
        &mut self,
        prefix: &[u8],
        input: &[u8],
        at: usize,
        out: &mut Out<'_, impl Sink>,
    ) -> Option<usize> {
        if prefix.is_empty() {
            return self.find_end(input, at);
        }
        // Of a match that began before this piece, so many bytes are owed if it fails.
        let mut owed = self.matched.unwrap_or_default();
        let mut begin = at;
        let rest = input.get(at..).unwrap_or_default();
        for (place, byte) in (at..).zip(rest) {
            if let Some(matched) = self.matched {
                if prefix.get(matched) == Some(byte) {
                    if matched == 0 {
                        begin = place;
                    }
                    self.matched = Some(matched + 1);
                    if matched + 1 == prefix.len() {
                        out.pass_to(begin);
                        out.skip_to(place + 1);
                        (owed, self.matched) = (0, None);
                    }
                    self.cr = false;
                    continue;
                }
                if owed > 0 {
                    out.put(prefix.get(..owed).unwrap_or_default());
                    owed = 0;
                }
                self.matched = None;
            }
            if self.cr && *byte == b'\n' {
                return Some(place + 1);
            }
            self.cr = *byte == b'\r';
            if is_quote(*byte) {
                self.matched = Some(0);
            }
        }
        if self.matched.is_some_and(|matched| matched > 0) {
            out.pass_to(begin);
            out.skip_to(input.len());
        }
        None
    }
}
