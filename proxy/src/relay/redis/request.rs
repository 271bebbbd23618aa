//! What becomes of a client's request that is whole.

use tenantsdb_codecs::redis::client::Scan;
use tenantsdb_codecs::redis::command::Reply as Keys;
use tenantsdb_codecs::redis::command::{Effect, Forward, Refusal, Verdict, decide};
use tenantsdb_codecs::redis::keys::{Classifier, Kind};
use tenantsdb_codecs::redis::prefix::channel_place;
use tenantsdb_codecs::redis::reply::Shape;
use tenantsdb_codecs::redis::server;
use tenantsdb_codecs::redis::sink::Sink as _;
use tokio::io::{AsyncRead, AsyncWrite};

use super::multi::TOO_MUCH_KEPT;
use super::out::Pieces;
use super::pump::{Next, Pump, Stop};
use super::queue::Owed;
use crate::front::redis::answer;
use crate::front::redis::state::Replies;

/// What EVALSHA says of a script that is not there (`src/script.c`).
const NO_SCRIPT: &[u8] = b"-NOSCRIPT No matching script. Please use EVAL.\r\n";

/// A request that is whole.
#[derive(Clone, Copy)]
pub(super) struct Whole<'r> {
    pub(super) scan: &'r Scan,
    /// From its first byte.
    pub(super) input: &'r [u8],
    pub(super) bytes: usize,
}

impl<'r> Whole<'r> {
    pub(super) fn argc(&self) -> usize {
        self.scan.len()
    }

    pub(super) fn arg(&self, index: usize) -> &'r [u8] {
        self.scan.arg(self.input, index).unwrap_or_default()
    }

    pub(super) fn args(&self) -> Vec<&'r [u8]> {
        (0..self.argc()).map(|index| self.arg(index)).collect()
    }
}

impl<'a, C, S> Pump<'a, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Sends on, answers or refuses a request, or says what it has to wait for. It has at least one
    /// argument.
    pub(super) fn request(
        &mut self,
        scan: &Scan,
        input: &[u8],
        bytes: usize,
        pieces: &mut Pieces<'_>,
    ) -> Next {
        let whole = Whole { scan, input, bytes };
        self.mute = self.state.replies != Replies::All;
        let next = self.decide(whole, pieces);
        if next == Next::Done && self.mute && self.state.replies == Replies::SkipNext {
            self.state.replies = Replies::All;
        }
        next
    }

    fn decide(&mut self, whole: Whole<'_>, pieces: &mut Pieces<'_>) -> Next {
        if let Some(refusal) = self.wires.refusal.take() {
            self.owe(refusal);
            return Next::Done;
        }
        let Some(table) = self.desk.table else {
            return Next::Stop(Stop::Server);
        };
        let (name, argc) = (whole.arg(0), whole.argc());
        let sub = (argc > 1).then(|| whole.arg(1));
        self.desk.member.client().used(name);
        match decide(table, self.desk.rules, name, sub, argc) {
            Verdict::Forward(forward) => self.forward(&forward, whole, pieces),
            Verdict::Local(local) => self.local(local, whole, pieces),
            Verdict::Refuse(refusal) => self.refuse_as(refusal, whole),
        }
    }

    /// Answers with an error, which spoils a transaction.
    pub(super) fn refuse(&mut self, text: &str) -> Next {
        self.state.doom();
        let mut words = Vec::new();
        answer::error(&mut words, text);
        self.owe(words);
        Next::Done
    }

    fn refuse_as(&mut self, refusal: Refusal, whole: Whole<'_>) -> Next {
        self.refuse(&refusal.text(&whole.args()))
    }

    /// Our own words come next for the client.
    pub(super) fn owe(&mut self, words: Vec<u8>) {
        if !self.mute {
            self.wires.queue.push(Owed::Local(words));
        }
    }

    fn forward(
        &mut self,
        forward: &Forward<'a>,
        whole: Whole<'_>,
        pieces: &mut Pieces<'_>,
    ) -> Next {
        if self.state.is_subscriber_only() {
            return self.forward_while_subscribed(forward, whole);
        }
        if let Some(text) = self.too_long(whole) {
            return self.refuse(&text);
        }
        let blocking = match self.classify(forward, whole) {
            Ok(blocking) => blocking,
            Err(refusal) => return self.refuse_as(refusal, whole),
        };
        if forward.grows
            && let Some(text) = (self.desk.over_limit)()
        {
            return self.refuse(&text);
        }
        if self.server.is_none() {
            return Next::Stop(Stop::Server);
        }
        if self.hides(forward, whole) {
            self.answer_in_turn(NO_SCRIPT.to_vec(), pieces);
            return Next::Done;
        }
        if forward.effect == Effect::Exec && self.state.multi.is_some_and(|multi| multi.doomed) {
            self.discard(pieces);
            return Next::Done;
        }
        let shape = self.shape(forward.reply, whole);
        if !self.has_room(&shape) {
            return self.refuse(TOO_MUCH_KEPT);
        }
        self.put(whole, forward.sent_as, pieces);
        self.expect(forward.effect, shape, blocking);
        Next::Done
    }

    fn too_long(&self, whole: Whole<'_>) -> Option<String> {
        let max = self.desk.value_bytes_max?;
        let is_long = |index: &usize| whole.arg(*index).len() as u64 > max;
        (1..whole.argc()).find(is_long)?;
        Some(super::large::too_long(max))
    }

    /// Finds the keys, and whether the server may let the request wait.
    fn classify(&mut self, forward: &Forward<'a>, whole: Whole<'_>) -> Result<bool, Refusal> {
        let keys = &mut self.wires.keys;
        keys.clear();
        keys.shrink_to(256);
        let mut classifier = Classifier::new(forward, whole.argc())?;
        for index in 0..whole.argc() {
            let arg = whole.arg(index);
            match classifier.next(Some(arg))? {
                Kind::Plain => {}
                Kind::Key => keys.push((index, 0)),
                Kind::Channel => keys.push((index, channel_place(arg)?)),
            }
        }
        let blocks = classifier.blocks();
        classifier.finish()?;
        Ok(blocks)
    }

    /// Puts the request with the prefix at the keys that [`Self::classify`] has found.
    /// `sent_as`: under another name than the client's.
    pub(super) fn put(
        &self,
        whole: Whole<'_>,
        sent_as: Option<&'static str>,
        pieces: &mut Pieces<'_>,
    ) {
        let prefix = self.desk.prefix;
        if whole.scan.is_inline() {
            let mut keys = self.wires.keys.iter().peekable();
            pieces.with_text(|out| {
                server::array(whole.argc(), out);
                for index in 0..whole.argc() {
                    let name = sent_as.filter(|_| index == 0);
                    let arg = name.map_or(whole.arg(index), str::as_bytes);
                    match keys.next_if(|(key, _)| *key == index) {
                        Some((_, place)) => {
                            let (head, tail) = arg.split_at(*place);
                            server::bulk(&[head, prefix, tail].concat(), out);
                        }
                        None => server::bulk(arg, out),
                    }
                }
            });
            return;
        }
        let mut from = 0;
        if let Some((name, range)) = sent_as.zip(whole.scan.range(0)) {
            pieces.with_text(|out| {
                server::array(whole.argc(), out);
                server::bulk(name.as_bytes(), out);
            });
            from = range.end + 2;
        }
        for (index, place) in &self.wires.keys {
            let before = index
                .checked_sub(1)
                .and_then(|index| whole.scan.range(index));
            let (Some(before), Some(key)) = (before, whole.scan.range(*index)) else {
                continue; // the name is no key
            };
            pieces.pass(from..before.end + 2);
            let bytes = key.len() as u64 + prefix.len() as u64;
            pieces.with_text(|out| server::bulk_head(bytes, out));
            pieces.pass(key.start..key.start + place);
            pieces.put(prefix);
            from = key.start + place;
        }
        pieces.pass(from..whole.bytes);
    }

    fn shape(&self, keys: Keys, whole: Whole<'_>) -> Shape {
        match keys {
            Keys::Plain | Keys::Exec => Shape::Plain,
            Keys::FirstIsKey => Shape::FirstIsKey,
            Keys::Streams => Shape::Streams,
            Keys::Script if self.wires.keys.is_empty() => Shape::Plain,
            Keys::Script => {
                let keys = self.wires.keys.iter().map(|(index, _)| {
                    let key = [self.desk.prefix, whole.arg(*index)].concat();
                    key.into_boxed_slice()
                });
                Shape::Script(keys.collect())
            }
        }
    }
}
