//! Requests that are too long to be held: passed on argument by argument as they come.
//!
//! What can be refused is refused before anything of it is at the server; then the rest is read and
//! dropped, and the session goes on. What turns out later to be none ends the session: the server
//! would take the next request for the rest of this one.

use tenantsdb_codecs::redis::client::{Bounds, Scan, bulk_header};
use tenantsdb_codecs::redis::command::Reply as Keys;
use tenantsdb_codecs::redis::command::{Forward, Refusal, Verdict, decide};
use tenantsdb_codecs::redis::keys::{Classifier, Kind};
use tenantsdb_codecs::redis::prefix::channel_place;
use tenantsdb_codecs::redis::reply::Shape;
use tenantsdb_codecs::redis::server;
use tenantsdb_codecs::redis::sink::Sink as _;
use tokio::io::{AsyncRead, AsyncWrite};

use super::out::Pieces;
use super::pump::{Broken, Pump, Stop};
use super::queue::Owed;
use super::request::Whole;
use crate::front::redis::answer;
use crate::front::redis::state::Replies;
use crate::relay::End;
use crate::relay::scratch::SCRATCH_BYTES;

/// Arguments up to this long are waited for, and looked at. Longer ones are values, or names.
const HELD_BYTES_MAX: u64 = 16 * 1024;

/// Bytes of the keys of one script call that are remembered, to be known again in its reply.
const SCRIPT_KEYS_BYTES_MAX: usize = 1 << 20;

/// A request under way.
pub(super) struct Large<'a> {
    argc: usize,
    /// Arguments whose head has been read.
    begun: usize,
    /// Bytes of the argument under way, and of its line end, that have not come.
    left: u64,
    fate: Fate<'a>,
}

enum Fate<'a> {
    /// It goes on to the server.
    Pass {
        forward: Forward<'a>,
        classifier: Classifier<'a>,
        /// Of a script, with their prefix.
        keys: Vec<Box<[u8]>>,
        key_bytes: usize,
    },
    /// It is dropped, and this is the answer.
    Drop(Vec<u8>),
}

/// Why it cannot go on.
enum Wrong {
    Client(tenantsdb_codecs::redis::Error),
    Refused(String),
}

/// What is said of an argument that is longer than the blueprint allows.
pub(super) fn too_long(bytes_max: u64) -> String {
    format!("ERR value too long: the blueprint allows {bytes_max} bytes")
}

impl<'a, C, S> Pump<'a, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Whether a request that is not whole will not fit in what is held.
    pub(super) fn is_large(&self, scan: &Scan, input: &[u8]) -> bool {
        if scan.declared() == 0 || scan.is_inline() {
            return false;
        }
        let is_long = |open: u64| open > SCRATCH_BYTES as u64 / 2;
        input.len() >= SCRATCH_BYTES || scan.open().is_some_and(|open| is_long(open.bytes))
    }

    /// Begins to pass a request on, or to drop it. Answers how much of the input is done with: the
    /// arguments that are whole.
    pub(super) fn begin_large(
        &mut self,
        scan: &Scan,
        input: &[u8],
        pieces: &mut Pieces<'_>,
    ) -> Result<usize, Stop> {
        self.mute = self.state.replies != Replies::All;
        let whole_bytes = match scan.len().checked_sub(1).and_then(|last| scan.range(last)) {
            Some(last) => last.end + 2,
            // Behind the head of the request.
            None => input
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1),
        };
        let whole = Whole {
            scan,
            input,
            bytes: whole_bytes,
        };
        let fate = match self.fate_of(whole)? {
            Ok(Fate::Drop(words)) => Fate::Drop(words),
            Ok(fate) => {
                self.put(whole, None, pieces);
                self.wires.partial = true;
                fate
            }
            Err(text) => self.dropped(&text),
        };
        self.large = Some(Large {
            argc: scan.declared(),
            begun: scan.len(),
            left: 0,
            fate,
        });
        Ok(whole_bytes)
    }

    /// Whether a request is read that does not go to the server.
    pub(super) fn is_dropping(&self) -> bool {
        let fate = self.large.as_ref().map(|large| &large.fate);
        matches!(fate, Some(Fate::Drop(_)))
    }

    fn dropped(&mut self, text: &str) -> Fate<'a> {
        self.state.doom();
        let mut words = Vec::new();
        answer::error(&mut words, text);
        Fate::Drop(words)
    }

    /// What becomes of a request, by the arguments that are whole.
    fn fate_of(&mut self, whole: Whole<'_>) -> Result<Result<Fate<'a>, String>, Stop> {
        if let Some(refusal) = self.wires.refusal.take() {
            return Ok(Ok(Fate::Drop(refusal)));
        }
        if whole.argc() == 0 {
            return Ok(Err(Refusal::Unknown.text(&[b"..."])));
        }
        let Some(table) = self.desk.table else {
            return Err(Stop::Server);
        };
        let argc = whole.scan.declared();
        let sub = (whole.argc() > 1).then(|| whole.arg(1));
        let forward = match decide(table, self.desk.rules, whole.arg(0), sub, argc) {
            Verdict::Forward(forward) => forward,
            Verdict::Refuse(refusal) => return Ok(Err(refusal.text(&whole.args()))),
            Verdict::Local(_) => return Ok(Err("ERR this request is too long".to_owned())),
        };
        if let Some(text) = self.refused_large(&forward, whole) {
            return Ok(Err(text));
        }
        if self.server.is_none() {
            return Err(Stop::Server);
        }
        Ok(self
            .passed(forward, whole, argc)
            .map_err(|refusal| refusal.text(&whole.args())))
    }

    fn refused_large(&self, forward: &Forward<'_>, whole: Whole<'_>) -> Option<String> {
        if self.state.is_subscriber_only() {
            return Some(
                "ERR only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are \
                         allowed in this context"
                    .to_owned(),
            );
        }
        if let Some(max) = self.desk.value_bytes_max {
            let open = whole.scan.open().map_or(0, |open| open.bytes);
            let long = (1..whole.argc()).any(|index| whole.arg(index).len() as u64 > max);
            if long || open > max {
                return Some(too_long(max));
            }
        }
        if forward.grows {
            return (self.desk.over_limit)();
        }
        None
    }

    fn passed(
        &mut self,
        forward: Forward<'a>,
        whole: Whole<'_>,
        argc: usize,
    ) -> Result<Fate<'a>, Refusal> {
        let mut classifier = Classifier::new(&forward, argc)?;
        let found = &mut self.wires.keys;
        found.clear();
        for index in 0..whole.argc() {
            let arg = whole.arg(index);
            match classifier.next(Some(arg))? {
                Kind::Plain => {}
                Kind::Key => found.push((index, 0)),
                Kind::Channel => found.push((index, channel_place(arg)?)),
            }
        }
        let mut keys = Vec::new();
        let mut key_bytes = 0;
        if forward.reply == Keys::Script {
            for (index, _) in &self.wires.keys {
                let key = [self.desk.prefix, whole.arg(*index)].concat();
                key_bytes += key.len();
                keys.push(key.into_boxed_slice());
            }
        }
        Ok(Fate::Pass {
            forward,
            classifier,
            keys,
            key_bytes,
        })
    }

    /// Goes on with the request. Answers how much of the input is done with; none: more is needed.
    pub(super) fn large(&mut self, input: &[u8], pieces: &mut Pieces<'_>) -> usize {
        let Some(mut large) = self.large.take() else {
            return 0;
        };
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            if large.left > 0 {
                let here = usize::try_from(large.left)
                    .unwrap_or(usize::MAX)
                    .min(rest.len());
                if matches!(large.fate, Fate::Pass { .. }) {
                    pieces.pass(at..at + here);
                }
                at += here;
                large.left -= here as u64;
                if large.left > 0 {
                    break;
                }
                continue;
            }
            if large.begun == large.argc {
                self.end_large(large);
                return at;
            }
            match self.argument(&mut large, input, at, pieces) {
                Ok(Some(used)) => at += used,
                Ok(None) => break,
                Err(wrong) => {
                    self.end_wrong(wrong, matches!(large.fate, Fate::Pass { .. }));
                    return at.max(1);
                }
            }
        }
        self.large = Some(large);
        at
    }

    /// Begins the next argument. Answers the bytes that are done with; `None`: more is needed.
    fn argument(
        &self,
        large: &mut Large<'a>,
        input: &[u8],
        at: usize,
        pieces: &mut Pieces<'_>,
    ) -> Result<Option<usize>, Wrong> {
        let rest = input.get(at..).unwrap_or_default();
        let Some((bytes, head)) = bulk_header(rest, &Bounds::AFTER_AUTH).map_err(Wrong::Client)?
        else {
            return Ok(None);
        };
        let Fate::Pass {
            classifier,
            forward,
            keys,
            key_bytes,
        } = &mut large.fate
        else {
            (large.left, large.begun) = (bytes + 2, large.begun + 1);
            return Ok(Some(head));
        };
        let refused =
            |refusal: Refusal| Wrong::Refused(refusal.text(&[forward.command.name.as_bytes()]));
        if let Some(max) = self.desk.value_bytes_max.filter(|max| bytes > *max) {
            return Err(Wrong::Refused(too_long(max)));
        }
        let held = usize::try_from(bytes)
            .ok()
            .filter(|_| bytes <= HELD_BYTES_MAX);
        let argument = match held.map(|bytes| rest.get(head..head + bytes)) {
            Some(None) => return Ok(None),
            Some(argument) => argument,
            None => None,
        };
        let place = match (classifier.next(argument).map_err(refused)?, argument) {
            (Kind::Plain, _) => None,
            (Kind::Key, _) => Some(0),
            (Kind::Channel, Some(channel)) => Some(channel_place(channel).map_err(refused)?),
            (Kind::Channel, None) => return Err(Wrong::Refused("ERR channel too long".to_owned())),
        };
        let prefix = self.desk.prefix;
        let mut used = head;
        match place {
            None => pieces.pass(at..at + head),
            Some(place) => {
                let bytes = bytes + prefix.len() as u64;
                pieces.with_text(|out| server::bulk_head(bytes, out));
                pieces.pass(at + head..at + head + place);
                pieces.put(prefix);
                used += place;
                if forward.reply == Keys::Script {
                    let key = [prefix, argument.unwrap_or_default()].concat();
                    *key_bytes += key.len();
                    if argument.is_none() || *key_bytes > SCRIPT_KEYS_BYTES_MAX {
                        return Err(Wrong::Refused(
                            "ERR the script's keys are too long".to_owned(),
                        ));
                    }
                    keys.push(key.into_boxed_slice());
                }
            }
        }
        large.left = bytes + 2 - (used - head) as u64;
        large.begun += 1;
        Ok(Some(used))
    }

    fn end_large(&mut self, large: Large<'a>) {
        self.wires.partial = false;
        match large.fate {
            Fate::Drop(words) => self.owe(words),
            Fate::Pass {
                forward,
                classifier,
                keys,
                ..
            } => {
                let blocking = classifier.blocks();
                let shape = match forward.reply {
                    Keys::FirstIsKey => Shape::FirstIsKey,
                    Keys::Streams => Shape::Streams,
                    Keys::Script if !keys.is_empty() => Shape::Script(keys.into()),
                    _ => Shape::Plain,
                };
                self.expect(forward.effect, shape, blocking);
            }
        }
        if self.state.replies == Replies::SkipNext {
            self.state.replies = Replies::All;
        }
    }

    fn end_wrong(&mut self, wrong: Wrong, at_server: bool) {
        self.wires.tainted |= at_server;
        self.wires.partial = false;
        let (text, broken) = match wrong {
            Wrong::Client(error) => (format!("ERR Protocol error: {error}"), error.into()),
            Wrong::Refused(text) => (text, Broken::Partial),
        };
        let mut words = Vec::new();
        answer::error(&mut words, &text);
        self.wires.queue.push(Owed::Local(words));
        self.closing = Some(End::ClientBroken(broken));
    }
}
