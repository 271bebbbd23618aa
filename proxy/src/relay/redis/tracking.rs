//! CLIENT TRACKING: what the server is asked, and what the client is told of it.

use tenantsdb_codecs::redis::command::{Effect, Local};
use tenantsdb_codecs::redis::reply::Shape;
use tenantsdb_codecs::redis::server::{self, Protocol};
use tokio::io::{AsyncRead, AsyncWrite};

use super::out::Pieces;
use super::pump::{Next, Pump, Stop};
use super::queue::Role;
use super::request::Whole;
use crate::front::redis::local::answer::Answer;
use crate::front::redis::state::Tracking;

const REDIRECT: &str = "NOPERM CLIENT TRACKING with REDIRECT: the ids of clients are the proxy's \
     own, and mean nothing to the server; use RESP3 (HELLO 3) on one connection";

const NEEDS_RESP3: &str = "ERR CLIENT TRACKING needs RESP3 (HELLO 3): there is no redirection";

/// The server's own words (`src/networking.c`).
const NOT_TRACKING: &str = "ERR CLIENT CACHING can be called only when the client is in tracking \
     mode with OPTIN or OPTOUT mode enabled";

impl<C, S> Pump<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    pub(super) fn tracking(&mut self, whole: Whole<'_>, pieces: &mut Pieces<'_>) -> Next {
        let is = |word: &str| whole.arg(2).eq_ignore_ascii_case(word.as_bytes());
        let on = is("on");
        if !on && !is("off") {
            return self.refuse("ERR syntax error");
        }
        let asked = match self.read_tracking(whole) {
            Ok(asked) => asked,
            Err(text) => return self.refuse(text),
        };
        if on && self.state.protocol == Protocol::Resp2 {
            return self.refuse(NEEDS_RESP3);
        }
        if !on && self.state.tracking.is_none() {
            self.owe(b"+OK\r\n".to_vec());
            return Next::Done;
        }
        if self.server.is_none() {
            return Next::Stop(Stop::Server);
        }
        self.wires.tainted = true;
        let prefixes = self.server_prefixes(&asked);
        let mut words: Vec<&[u8]> = vec![b"CLIENT", b"TRACKING"];
        words.push(if on { b"ON" } else { b"OFF" });
        let flags: [(bool, &[u8]); 4] = [
            (asked.bcast, b"BCAST"),
            (asked.optin, b"OPTIN"),
            (asked.optout, b"OPTOUT"),
            (asked.noloop, b"NOLOOP"),
        ];
        words.extend(flags.iter().filter(|(set, _)| *set).map(|(_, word)| *word));
        for prefix in &prefixes {
            words.extend([&b"PREFIX"[..], prefix]);
        }
        pieces.with_text(|out| server::command(&words, out));
        let mut asked = on.then(|| Box::new(asked));
        if let (Some(asked), Some(before)) = (&mut asked, &self.state.tracking)
            && asked.bcast
        {
            // The server adds them to those that it has.
            asked.prefixes.splice(0..0, before.prefixes.iter().cloned());
        }
        let before = std::mem::replace(&mut self.state.tracking, asked.clone());
        self.owe_reply(Role::Tracking { asked, before }, Shape::Plain);
        Next::Done
    }

    fn read_tracking(&self, whole: Whole<'_>) -> Result<Tracking, &'static str> {
        let mut asked = Tracking::default();
        let mut index = 3;
        while index < whole.argc() {
            let is = |word: &str| whole.arg(index).eq_ignore_ascii_case(word.as_bytes());
            let has_value = index + 1 < whole.argc();
            if is("bcast") {
                asked.bcast = true;
            } else if is("optin") {
                asked.optin = true;
            } else if is("optout") {
                asked.optout = true;
            } else if is("noloop") {
                asked.noloop = true;
            } else if is("redirect") && has_value {
                return Err(REDIRECT);
            } else if is("prefix") && has_value {
                asked.prefixes.push(whole.arg(index + 1).into());
                index += 1;
            } else {
                return Err("ERR syntax error");
            }
            index += 1;
        }
        Ok(asked)
    }

    /// Without a prefix the server would tell of everybody's keys.
    fn server_prefixes(&self, asked: &Tracking) -> Vec<Vec<u8>> {
        let own = self.desk.prefix;
        if asked.bcast && asked.prefixes.is_empty() {
            return vec![own.to_vec()];
        }
        let prefixes = asked.prefixes.iter();
        prefixes.map(|prefix| [own, prefix].concat()).collect()
    }

    pub(super) fn caching(&mut self, whole: Whole<'_>, pieces: &mut Pieces<'_>) -> Next {
        if self.state.tracking.is_none() || self.server.is_none() {
            return self.refuse(NOT_TRACKING);
        }
        self.wires.keys.clear();
        self.put(whole, None, pieces);
        self.expect(Effect::None, Shape::Plain, false);
        Next::Done
    }

    /// What a session that is tracking says of it.
    pub(super) fn tracking_says(&self, local: Local, words: &[&[u8]]) -> Option<Answer> {
        let tracking = self.state.tracking.as_deref()?;
        let [name] = words else {
            return None;
        };
        if local != Local::Client {
            return None;
        }
        if name.eq_ignore_ascii_case(b"getredir") {
            return Some(Answer::Integer(0));
        }
        if !name.eq_ignore_ascii_case(b"trackinginfo") {
            return None;
        }
        let flags = [
            (true, "on"),
            (tracking.bcast, "bcast"),
            (tracking.optin, "optin"),
            (tracking.optout, "optout"),
            (tracking.noloop, "noloop"),
        ];
        let flags = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag);
        let text = |text: &str| Answer::Bulk(text.into());
        let prefixes = tracking.prefixes.iter().map(|prefix| prefix.to_vec());
        Some(Answer::Map(vec![
            (text("flags"), Answer::Set(flags.collect())),
            (text("redirect"), Answer::Integer(0)),
            (text("prefixes"), Answer::strings(prefixes)),
        ]))
    }
}
