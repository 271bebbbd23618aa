//! One run of one command: what it was given, and how it prints.

use serde_json::Value;

use super::config::Settings;
use super::credentials::Credentials;
use super::error::Error;
use super::print::{self, Mode};
use super::{Environment, GlobalArgs, Streams};
use crate::client::{Client, Reply};

/// A run of one command.
pub(super) struct Session<'a> {
    pub(super) mode: Mode,
    pub(super) global: GlobalArgs,
    pub(super) environment: Environment,
    pub(super) streams: Streams<'a>,
}

// === impl Session ===

impl Session<'_> {
    pub(super) fn settings(&self) -> Result<Settings, Error> {
        Settings::resolve(&self.global, &self.environment)
    }

    pub(super) fn client(&self) -> Result<Client, Error> {
        let (url, key) = self.settings()?.into_required()?;
        Ok(Client::new(&url, &key)?)
    }

    pub(super) fn credentials(&self) -> Option<Credentials> {
        let config = self.environment.config_file.as_ref()?;
        Some(Credentials::beside(config))
    }

    /// Prints a result in the form that was asked for.
    pub(super) fn print(&mut self, body: &Value, quiet: &[&str], text: &str) -> Result<(), Error> {
        let text = match self.mode {
            Mode::Json => format!("{body:#}\n"),
            Mode::Quiet => print::printable(&print::lines(quiet)).into_owned(),
            Mode::Text => print::printable(text).into_owned(),
        };
        self.streams.out.write_all(text.as_bytes())?;
        Ok(self.streams.out.flush()?)
    }

    /// Prints a list in the form that was asked for; `none` is the text of an empty one.
    pub(super) fn print_list<T>(
        &mut self,
        reply: &Reply<Vec<T>>,
        name: impl Fn(&T) -> &str,
        table: impl Fn(&[T]) -> String,
        none: &str,
    ) -> Result<(), Error> {
        let names: Vec<&str> = reply.value.iter().map(name).collect();
        let mut text = match reply.value.is_empty() {
            true => format!("{none}\n"),
            false => table(&reply.value),
        };
        if !reply.body["next"].is_null() {
            text.push_str("… and more: leave out --limit\n");
        }
        self.print(&reply.body, &names, &text)
    }

    /// Says something besides the result, unless the result is all that was asked for.
    pub(super) fn note(&mut self, text: &str) -> Result<(), Error> {
        if self.mode == Mode::Json {
            return Ok(());
        }
        self.warn(text)
    }

    /// Says something that must not get lost.
    pub(super) fn warn(&mut self, text: &str) -> Result<(), Error> {
        let text = print::printable(text);
        Ok(writeln!(self.streams.err, "{text}")?)
    }

    /// Warns when a change has not reached all proxies.
    pub(super) fn note_routing(
        &mut self,
        routed: Option<bool>,
        behind: &[String],
    ) -> Result<(), Error> {
        match print::routing(routed, behind) {
            Some(text) => self.note(&text),
            None => Ok(()),
        }
    }

    /// Asks for `word` before something is destroyed. A script says `--yes` instead.
    pub(super) fn confirm(&mut self, question: &str, word: &str) -> Result<(), Error> {
        if !self.environment.stdin_is_terminal {
            return Err(Error::usage(
                "this destroys data, and there is no terminal to ask on",
                "add --yes",
            ));
        }
        write!(
            self.streams.err,
            "{}\nType {word} to go on: ",
            print::printable(question)
        )?;
        self.streams.err.flush()?;
        let mut answer = String::new();
        self.streams.input.read_line(&mut answer)?;
        if answer.trim() != word {
            return Err(Error::usage(
                "not confirmed: nothing was changed",
                "run it again",
            ));
        }
        Ok(())
    }
}
