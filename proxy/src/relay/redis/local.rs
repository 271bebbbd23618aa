//! Requests that are answered here, in their turn.

use tenantsdb_codecs::redis::command::{Forward, Local};
use tenantsdb_codecs::redis::server;
use tokio::io::{AsyncRead, AsyncWrite};

use super::out::Pieces;
use super::pump::{Next, Pump, Stop};
use super::request::Whole;
use crate::front::redis::local::client::Said;
use crate::front::redis::local::{at_once, job};
use crate::front::redis::state::Replies;
use crate::relay::End;

/// Of a command that may not be part of a transaction (`src/server.c`).
const NOT_IN_MULTI: &str = "ERR Command not allowed inside a transaction";

impl<C, S> Pump<'_, C, S>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn is_subscriber_refused(&self, name: &[u8]) -> Option<String> {
        let name = String::from_utf8_lossy(name.get(..64).unwrap_or(name)).to_lowercase();
        self.state.is_subscriber_only().then(|| {
            format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT \
                 / RESET are allowed in this context"
            )
        })
    }

    pub(super) fn forward_while_subscribed(
        &mut self,
        forward: &Forward<'_>,
        whole: Whole<'_>,
    ) -> Next {
        if &*forward.command.name == "ping" {
            let mut words = Vec::new();
            server::array(2, &mut words);
            server::bulk(b"pong", &mut words);
            let said = if whole.argc() > 1 { whole.arg(1) } else { b"" };
            server::bulk(said, &mut words);
            self.owe(words);
            return Next::Done;
        }
        let text = self.is_subscriber_refused(whole.arg(0)).unwrap_or_default();
        self.refuse(&text)
    }

    pub(super) fn local(
        &mut self,
        local: Local,
        whole: Whole<'_>,
        pieces: &mut Pieces<'_>,
    ) -> Next {
        let is_about_subscriptions = matches!(
            local,
            Local::Subscribe
                | Local::Unsubscribe
                | Local::PSubscribe
                | Local::PUnsubscribe
                | Local::SSubscribe
                | Local::SUnsubscribe
        );
        let leaves = matches!(local, Local::Quit | Local::Reset);
        if !is_about_subscriptions
            && !leaves
            && let Some(text) = self.is_subscriber_refused(whole.arg(0))
        {
            return self.refuse(&text);
        }
        if leaves {
            return Next::Stop(Stop::Ask);
        }
        let is_reply = local == Local::Client && whole.arg(1).eq_ignore_ascii_case(b"reply");
        let asks = matches!(local, Local::Auth | Local::Hello);
        if self.state.multi.is_some()
            && (is_about_subscriptions
                || is_reply
                || asks
                || job::is_job(local) && !self.is_numpat(local, whole)
                || matches!(local, Local::Tracking | Local::Caching))
        {
            return self.refuse(NOT_IN_MULTI);
        }
        match local {
            _ if is_about_subscriptions => self.subscribe(local, whole, pieces),
            Local::Tracking => self.tracking(whole, pieces),
            Local::Caching => self.caching(whole, pieces),
            _ if asks => Next::Stop(Stop::Ask),
            _ if is_reply => self.client_reply(whole),
            _ => self.at_once(local, whole, pieces),
        }
    }

    fn is_numpat(&self, local: Local, whole: Whole<'_>) -> bool {
        local == Local::PubSub && whole.arg(1).eq_ignore_ascii_case(b"numpat")
    }

    fn at_once(&mut self, local: Local, whole: Whole<'_>, pieces: &mut Pieces<'_>) -> Next {
        if self.wires.is_unread() {
            return Next::Stop(Stop::Unread);
        }
        let args = whole.args();
        let words = args.get(1..).unwrap_or_default();
        let said = match self.tracking_says(local, words) {
            Some(answer) => Some(Said::Answer(answer)),
            None => at_once(local, words, self.desk.member),
        };
        let Some(said) = said else {
            let lacks_server = job::needs_session(local) && self.server.is_none();
            return Next::Stop(if lacks_server {
                Stop::Server
            } else {
                Stop::Ask
            });
        };
        let (answer, last) = match said {
            Said::Answer(answer) => (answer, false),
            Said::Last(answer) => (answer, true),
        };
        let mut words = Vec::new();
        answer.encode(self.state.protocol, &mut words);
        self.answer_in_turn(words, pieces);
        if last {
            self.closing = Some(End::Goodbye);
        }
        Next::Done
    }

    fn client_reply(&mut self, whole: Whole<'_>) -> Next {
        let how = whole.arg(2);
        let is = |word: &str| how.eq_ignore_ascii_case(word.as_bytes());
        if whole.argc() != 3 {
            return self.refuse("ERR wrong number of arguments for 'client|reply' command");
        }
        if is("on") {
            self.state.replies = Replies::All;
            self.mute = false;
            self.owe(b"+OK\r\n".to_vec());
        } else if is("off") {
            self.state.replies = Replies::None;
        } else if is("skip") {
            if self.state.replies != Replies::None {
                self.state.replies = Replies::SkipNext;
                self.mute = false; // not used up by itself
            }
        } else {
            return self.refuse("ERR syntax error");
        }
        Next::Done
    }
}
