//! Strings that say their length first, and what is cut out of them.

use super::{Rewriter, Step};
use crate::redis::Error;
use crate::redis::frame::{Blob, Number};
use crate::redis::reply::context::{Context, More};
use crate::redis::reply::cut::{Text, script_keys};
use crate::redis::reply::role::Role;
use crate::redis::sink::Sink;

/// A string whose head has not been sent: its length depends on what it begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// The type byte.
    first: u8,
    bytes: u64,
    text: Text,
    /// So many bytes must be seen.
    needed: usize,
}

impl Start {
    /// The head of what is left.
    fn head(&self, cut_bytes: usize) -> Number {
        Number::length(self.first, self.bytes.saturating_sub(cut_bytes as u64))
    }
}

impl Rewriter {
    /// A string, whose head begins at `begin` or is held.
    pub(super) fn blob(
        &mut self,
        blob: Blob,
        bytes: u64,
        role: Role,
        begin: usize,
        context: &mut Context<'_, impl Sink>,
    ) -> More {
        let text = match blob {
            Blob::Error => Some(Text::Error),
            Blob::Bulk => Text::of(role),
            Blob::Verbatim => None,
        };
        let keys = script_keys(context.shape, self.element);
        let needed = text.map_or(0, |text| text.head_bytes(bytes, context.prefix, keys));
        let start = text.map(|text| Start {
            first: if blob == Blob::Error { b'!' } else { b'$' },
            bytes,
            text,
            needed,
        });
        if let Some(start) = start.filter(|_| needed > 0) {
            if !self.held.is_empty() || context.rest().len() < needed {
                // The head is written again when it is known how long the string will be.
                context.out.pass_to(begin);
                context.out.skip_to(context.at);
                self.held.clear();
                self.step = Step::Start(start);
                return More::Going;
            }
            return self.start_here(start, Some(begin), context);
        }
        if !self.held.is_empty() {
            context.out.put(&self.held);
            self.held.clear();
            context.out.skip_to(context.at);
        }
        self.count_foreign(text.or_else(|| Text::of(role)), context.prefix);
        self.step = Step::Body(bytes);
        More::Going
    }

    /// Collects the first bytes of a string.
    pub(super) fn start(&mut self, start: Start, context: &mut Context<'_, impl Sink>) -> More {
        if self.held.is_empty() && context.rest().len() >= start.needed {
            return self.start_here(start, None, context);
        }
        let missing = start.needed.saturating_sub(self.held.len());
        let taken = context.rest().iter().take(missing);
        context.at += taken.len();
        self.held.extend(taken);
        context.out.skip_to(context.at);
        if self.held.len() < start.needed {
            return More::Needed;
        }
        let held = std::mem::take(&mut self.held);
        let keys = script_keys(context.shape, self.element);
        let cuts = || start.text.cuts(&held, context.prefix, keys);
        let head = start.head(cuts().map(|cut| cut.len()).sum());
        context.out.put(head.as_bytes());
        let mut from = 0;
        for cut in cuts() {
            context
                .out
                .put(held.get(from..cut.start).unwrap_or_default());
            from = cut.end;
        }
        context.out.put(held.get(from..).unwrap_or_default());
        if from == 0 {
            self.count_foreign(Some(start.text), context.prefix);
        }
        self.held = held;
        self.held.clear();
        self.step = Step::Body(start.bytes.saturating_sub(start.needed as u64));
        More::Going
    }

    /// The same where all of them are in the input, with or without the head before them.
    fn start_here(
        &mut self,
        start: Start,
        begin: Option<usize>,
        context: &mut Context<'_, impl Sink>,
    ) -> More {
        let at = context.at;
        let seen = context.rest().get(..start.needed).unwrap_or_default();
        let keys = script_keys(context.shape, self.element);
        let cuts = || start.text.cuts(seen, context.prefix, keys);
        let cut_bytes: usize = cuts().map(|cut| cut.len()).sum();
        if cut_bytes == 0 {
            self.count_foreign(Some(start.text), context.prefix);
        }
        if cut_bytes > 0 || begin.is_none() {
            if let Some(begin) = begin {
                context.out.pass_to(begin);
            }
            context.out.skip_to(at);
            context.out.put(start.head(cut_bytes).as_bytes());
        }
        for cut in cuts() {
            context.out.pass_to(at + cut.start);
            context.out.skip_to(at + cut.end);
        }
        context.at = at + start.needed;
        self.step = Step::Body(start.bytes.saturating_sub(start.needed as u64));
        More::Going
    }

    pub(super) fn count_foreign(&mut self, text: Option<Text>, prefix: &[u8]) {
        let is_foreign = text.is_some_and(Text::is_name) && !prefix.is_empty();
        self.foreign = self.foreign.saturating_add(is_foreign.into());
    }

    pub(super) fn body(
        &mut self,
        bytes: u64,
        context: &mut Context<'_, impl Sink>,
    ) -> Result<More, Error> {
        let rest = context.rest();
        let here = usize::try_from(bytes)
            .ok()
            .and_then(|bytes| rest.get(bytes..));
        let Some(behind) = here else {
            self.step = Step::Body(bytes.saturating_sub(rest.len() as u64));
            return Ok(context.exhaust());
        };
        context.at += rest.len() - behind.len();
        match behind.first() {
            None => {
                self.step = Step::Body(0);
                Ok(More::Needed)
            }
            Some(b'\r') => {
                context.at += 1;
                self.line_feed(context)
            }
            Some(_) => Err(Error::LineEnd),
        }
    }

    pub(super) fn line_feed(
        &mut self,
        context: &mut Context<'_, impl Sink>,
    ) -> Result<More, Error> {
        match context.rest().first() {
            None => {
                self.step = Step::LineFeed;
                Ok(More::Needed)
            }
            Some(b'\n') => {
                context.at += 1;
                self.step = Step::Head;
                Ok(if self.chunked {
                    More::Going
                } else {
                    More::Ended
                })
            }
            Some(_) => Err(Error::LineEnd),
        }
    }
}
