//! A Redis blueprint: no schema but settings, each version of them whole.

use serde::{Deserialize, Serialize};
use tenantsdb_codecs::feed::route::{PoolMode, Redis};

/// Rules of commands that a version may have, and bytes of one. An account's rules are kept by its
/// server for each database.
const COMMANDS_MAX: usize = 100;
const COMMAND_BYTES_MAX: usize = 64;

/// The settings of one version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Keys beyond which commands that may add data are refused; null: no bound.
    #[serde(default)]
    pub keys_max: Option<u64>,
    /// Estimated bytes of keys and values beyond which they are refused; null: no bound.
    #[serde(default)]
    pub memory_bytes_max: Option<u64>,
    /// Bytes of the longest argument of a command; null: the server's own bound.
    #[serde(default)]
    pub value_bytes_max: Option<u64>,
    /// Which commands there are, as rules of Redis's access lists in their order: `-@scripting`,
    /// `+eval`. They take away, and give back what one before has taken.
    #[serde(default)]
    pub commands: Vec<String>,
    /// `session`: a server connection is a client's until it leaves; `transaction`: until nothing
    /// of its session depends on it.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "session")]
    pub pool_mode: PoolMode,
}

// === impl Settings ===

impl Settings {
    /// What turns these into `to`, a statement for each that differs. They are shown to people, as
    /// DDL is.
    #[must_use]
    pub fn statements(&self, to: &Self) -> Vec<String> {
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        let commands = |of: &Self| (!of.commands.is_empty()).then(|| of.commands.join(" "));
        let pool_mode = |of: &Self| Some(of.pool_mode.name().to_owned());
        [
            ("keys_max", number(self.keys_max), number(to.keys_max)),
            (
                "memory_bytes_max",
                number(self.memory_bytes_max),
                number(to.memory_bytes_max),
            ),
            (
                "value_bytes_max",
                number(self.value_bytes_max),
                number(to.value_bytes_max),
            ),
            ("commands", commands(self), commands(to)),
            ("pool_mode", pool_mode(self), pool_mode(to)),
        ]
        .into_iter()
        .filter(|(_, from, to)| from != to)
        .map(|(name, _, to)| match to {
            Some(to) => format!("SET {name} {to}"),
            None => format!("RESET {name}"),
        })
        .collect()
    }

    /// What is wrong with them that can be told without a server.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        for (name, value) in [
            ("keys_max", self.keys_max),
            ("memory_bytes_max", self.memory_bytes_max),
            ("value_bytes_max", self.value_bytes_max),
        ] {
            if value == Some(0) {
                return Some(format!("{name} is at least 1; leave it out for no bound"));
            }
        }
        if self.commands.len() > COMMANDS_MAX {
            return Some(format!(
                "there are more than {COMMANDS_MAX} rules of commands"
            ));
        }
        let long = |rule: &&String| rule.len() > COMMAND_BYTES_MAX;
        self.commands
            .iter()
            .find(long)
            .map(|_| format!("a rule of commands is longer than {COMMAND_BYTES_MAX} bytes"))
    }

    /// What a proxy is told of them.
    pub(crate) fn route(&self, prefix: Option<String>) -> Redis {
        Redis {
            prefix,
            keys_max: self.keys_max,
            memory_bytes_max: self.memory_bytes_max,
            value_bytes_max: self.value_bytes_max,
            commands: self.commands.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_a_statement_for_each_setting_that_differs() {
        let old = Settings {
            keys_max: Some(10),
            commands: vec!["-eval".to_owned()],
            ..Settings::default()
        };
        let new = Settings {
            memory_bytes_max: Some(64 << 20),
            commands: vec!["-@scripting".to_owned(), "+evalsha".to_owned()],
            pool_mode: PoolMode::Transaction,
            ..Settings::default()
        };
        assert_eq!(
            old.statements(&new),
            [
                "RESET keys_max",
                "SET memory_bytes_max 67108864",
                "SET commands -@scripting +evalsha",
                "SET pool_mode transaction"
            ]
        );
        assert!(old.statements(&old).is_empty());
    }

    #[test]
    fn what_bounds_nothing_is_refused() {
        assert_eq!(Settings::default().refused(), None);
        let none = Settings {
            keys_max: Some(0),
            ..Settings::default()
        };
        assert!(none.refused().is_some());
        let many = Settings {
            commands: vec!["-get".to_owned(); COMMANDS_MAX + 1],
            ..Settings::default()
        };
        assert!(many.refused().is_some());
    }
}
