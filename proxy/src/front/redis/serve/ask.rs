//! Requests that are the session's own business: all before them is answered.

use tenantsdb_codecs::redis::client::{Bounds, Scan, Scanned};
use tenantsdb_codecs::redis::command::{Local, Verdict, decide};
use tenantsdb_codecs::redis::server::Protocol;

use super::{Left, Live, left, number};
use crate::back::redis::Connection;
use crate::front::redis::handshake::{Hello, Login, Request};
use crate::front::redis::local::answer::Answer;
use crate::front::redis::local::job::{self, Asking, Done};
use crate::front::redis::state::Replies;
use crate::front::redis::{answer, login, refuse};
use crate::relay::End;

/// Of another login, or another version of the protocol.
const LISTENS: &str = "ERR not while the connection is subscribed or tracking: say RESET first";

impl Live<'_> {
    /// Does what the request at the front of the input asks for. Answers what comes after the
    /// session, if it ends. Not cancel safe.
    pub(super) async fn ask(&mut self) -> Option<Left> {
        let words = self.take_request()?;
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let name = words.first().copied().unwrap_or_default();
        let table = self.table.clone()?;
        let verdict = decide(
            &table,
            &self.rules,
            name,
            words.get(1).copied(),
            words.len(),
        );
        let Verdict::Local(local) = verdict else {
            return None;
        };
        match local {
            Local::Quit => {
                let mut last = Vec::new();
                answer::ok(&mut last);
                self.wires.to_client.push(&last);
                Some(self.leave().await)
            }
            Local::Reset => Some(self.reset().await),
            Local::Auth | Local::Hello => match Request::read(&words) {
                Request::Login(login) => self.log_in(login).await,
                Request::Hello(hello) => self.hello(hello).await,
                Request::Wrong(text) => {
                    self.answer(&Answer::error(text));
                    None
                }
                _ => None,
            },
            local => self.job(local, words.get(1..).unwrap_or_default()).await,
        }
    }

    /// The words of the request at the front of the input, which is taken off it.
    fn take_request(&mut self) -> Option<Vec<Vec<u8>>> {
        let mut input = self.wires.input.take()?;
        let mut scan = Scan::default();
        let Ok(Scanned::Whole { bytes }) = scan.resume(&input, &Bounds::AFTER_AUTH) else {
            return None; // it was whole
        };
        let words = (0..scan.len()).filter_map(|index| scan.arg(&input, index));
        let words = words.map(<[u8]>::to_vec).collect();
        let bytes = bytes.min(input.len());
        input.drain(..bytes);
        if !input.is_empty() {
            self.wires.input = Some(input);
        }
        self.wires.forget_request();
        Some(words)
    }

    /// Answers, unless the client does not want it.
    fn answer(&mut self, answer: &Answer) {
        let mut words = Vec::new();
        answer.encode(self.state.protocol, &mut words);
        self.answer_words(&words);
    }

    fn answer_words(&mut self, words: &[u8]) {
        match self.state.replies {
            Replies::All => self.wires.to_client.push(words),
            Replies::None => {}
            Replies::SkipNext => self.state.replies = Replies::All,
        }
    }

    async fn leave(&mut self) -> Left {
        self.end(End::Goodbye).await
    }

    /// It is nobody again.
    async fn reset(&mut self) -> Left {
        self.part().await;
        let mut words = Vec::new();
        answer::reset(&mut words);
        self.wires.to_client.push(&words);
        Left::Reset
    }

    /// The same login is confirmed, another one begins another session.
    async fn log_in(&mut self, login: Login) -> Option<Left> {
        let context = &self.core.context;
        let Some(proved) = login::check(context, &login) else {
            refuse::note(context, &refuse::Refusal::Denied);
            self.answer(&Answer::error(refuse::WRONGPASS));
            return None;
        };
        if proved.key == self.proved.key {
            if let Some(hello) = login.hello {
                return self.hello(hello).await;
            }
            self.answer(&Answer::OK);
            return None;
        }
        if self.listens() {
            self.answer(&Answer::error(LISTENS));
            return None;
        }
        self.part().await;
        Some(Left::Again(login, proved))
    }

    /// HELLO without AUTH, or with what is known already.
    async fn hello(&mut self, hello: Hello) -> Option<Left> {
        let switched = hello.protocol.filter(|asked| *asked != self.state.protocol);
        if switched.is_some() && self.listens() {
            self.answer(&Answer::error(LISTENS));
            return None;
        }
        if let Some(name) = hello.name {
            self.member.client().rename(|names| names.name = name);
        }
        if let Some(protocol) = switched
            && !self.switch(protocol).await
        {
            return Some(self.end(End::ServerGone(None)).await);
        }
        let mut words = Vec::new();
        let id = self.member.client().id;
        answer::hello(self.state.protocol, &self.proved.route, id, &mut words);
        self.answer_words(&words);
        None
    }

    /// Whether the server may send something at any time.
    fn listens(&self) -> bool {
        !self.state.subscriptions.is_empty() || self.state.tracking.is_some()
    }

    /// Answers whether the session goes on: not if the server connection was lost, and what it had
    /// of the session with it.
    async fn switch(&mut self, protocol: Protocol) -> bool {
        self.state.protocol = protocol;
        self.client.protocol = protocol;
        self.member.client().seen.set_protocol(number(protocol));
        if let Some(pooled) = &mut self.pooled {
            let limit = self.core.context.config.connect_timeout;
            let switched = tokio::time::timeout(limit, pooled.connection.hello(protocol)).await;
            if !matches!(switched, Ok(Ok(()))) {
                self.let_go(); // the next request gets another one
                return self.state.pins().is_empty();
            }
        }
        true
    }

    async fn job(&mut self, local: Local, words: &[&[u8]]) -> Option<Left> {
        let asking = Asking {
            core: self.core,
            proved: &self.proved,
            member: &self.member,
        };
        let session: Option<&mut Connection> = match &mut self.pooled {
            Some(pooled) if job::needs_session(local) => Some(&mut pooled.connection),
            _ => None,
        };
        let client = self.member.client();
        let done = tokio::select! {
            biased;
            done = job::ask(asking, local, words, session) => Ok(done),
            gone = left(&self.client.stream) => Err(End::ClientGone(gone)),
            () = client.killed() => Err(End::ClientGone(None)),
            () = self.core.context.drain.stopping() => Err(End::Drained),
        };
        let Done {
            answer,
            pushes,
            is_settled,
        } = match done {
            Ok(done) => done,
            Err(end) => {
                if job::needs_session(local) {
                    self.let_go(); // a question is under way on it
                }
                return Some(self.end(end).await);
            }
        };
        if !is_settled {
            self.let_go();
            if !self.state.pins().is_empty() {
                return Some(self.end(End::ServerGone(None)).await);
            }
        }
        if !pushes.is_empty()
            && let Err(broken) = self.with_pump(async |pump| pump.unasked(&pushes)).await
        {
            return Some(self.end(End::ServerBroken(broken)).await);
        }
        self.answer(&answer);
        None
    }
}
