//! Which commands a server has: what its own COMMAND says. A rule that names a command which the
//! server does not have is an error there, and versions, flavours and modules differ.

use std::collections::{BTreeMap, BTreeSet};

use redis::Value;

use super::connect::Session;
use crate::provision::Error;

/// The server's commands by name, `client|list` for the parts of one. All in lower case.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    commands: BTreeMap<String, Known>,
    categories: BTreeSet<String>,
}

/// What is known of one command.
#[derive(Debug, Default)]
struct Known {
    /// Without `@`.
    categories: Vec<String>,
    /// From a module, and no argument is known to be a key: the server's key rules do not hold it.
    reaches_past_keys: bool,
}

// === impl Catalog ===

impl Catalog {
    /// Asks the server.
    pub(super) async fn read(admin: &mut Session) -> Result<Self, Error> {
        let Value::Array(commands) = admin.ask(&redis::cmd("COMMAND")).await? else {
            return Err(unreadable());
        };
        let mut catalog = Self::default();
        for command in &commands {
            catalog.add(command).ok_or_else(unreadable)?;
        }
        Ok(catalog)
    }

    /// Takes in an entry and what it has parts of
    /// (<https://redis.io/docs/latest/commands/command/>).
    fn add(&mut self, entry: &Value) -> Option<()> {
        let Value::Array(fields) = entry else {
            return None;
        };
        let name = text(fields.first()?)?.to_ascii_lowercase();
        let flags = texts(fields.get(2)?)?;
        let categories: Vec<String> = texts(fields.get(6)?)?
            .iter()
            .map(|category| category.trim_start_matches('@').to_owned())
            .collect();
        let keyless = matches!(fields.get(8)?, Value::Array(specs) if specs.is_empty());
        let from_module = flags.iter().any(|flag| flag == "module");
        self.categories.extend(categories.iter().cloned());
        let known = Known {
            categories,
            reaches_past_keys: from_module && keyless,
        };
        self.commands.insert(name, known);
        if let Some(Value::Array(parts)) = fields.get(9) {
            for part in parts {
                self.add(part)?;
            }
        }
        Some(())
    }

    pub(super) fn has(&self, command: &str) -> bool {
        self.commands.contains_key(command)
    }

    pub(super) fn has_category(&self, category: &str) -> bool {
        category == "all" || self.categories.contains(category)
    }

    /// Whether the command is of the category (`client|list` has one of its own).
    pub(super) fn is_in(&self, command: &str, category: &str) -> bool {
        category == "all"
            || self
                .commands
                .get(command)
                .is_some_and(|known| known.categories.iter().any(|of| of == category))
    }

    /// Whether the command, or all that it has parts of, is the administrator's. HELP is not, of
    /// whatever it is.
    pub(super) fn is_administration(&self, command: &str) -> bool {
        let parts = format!("{command}|");
        let mut parts = self
            .commands
            .keys()
            .filter(|name| name.starts_with(&parts) && !name.ends_with("|help"))
            .peekable();
        let whole = parts.peek().is_none();
        self.is_in(command, "admin") || (!whole && parts.all(|part| self.is_in(part, "admin")))
    }

    /// Commands of modules that name no key. Parts of commands are left to their whole.
    pub(super) fn past_keys(&self) -> impl Iterator<Item = &str> {
        self.commands
            .iter()
            .filter(|(name, known)| known.reaches_past_keys && !name.contains('|'))
            .map(|(name, _)| name.as_str())
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(values) | Value::Set(values) => values.iter().map(text).collect(),
        _ => None,
    }
}

fn unreadable() -> Error {
    Error::Refused("the server's answer to COMMAND is not understood".to_owned())
}
