//! Which commands a blueprint allows, in the words of Redis's access lists.
//!
//! <https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/>: `+get`, `-keys`,
//! `-client|kill`, `-@dangerous`, `+@all`; in order: the last that is about a command counts.

use crate::redis::table::Command;

/// Categories of Redis 7.0 to 8 and Valkey 7.2 to 9, those of modules among them.
const CATEGORIES: [&str; 31] = [
    "admin",
    "all",
    "bitmap",
    "blocking",
    "bloom",
    "cms",
    "connection",
    "cuckoo",
    "dangerous",
    "fast",
    "geo",
    "hash",
    "hyperloglog",
    "json",
    "keyspace",
    "list",
    "pubsub",
    "read",
    "scripting",
    "search",
    "set",
    "slow",
    "sortedset",
    "stream",
    "string",
    "tdigest",
    "timeseries",
    "topk",
    "transaction",
    "vectorset",
    "write",
];

/// A rule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the rule \"{rule}\" is none of +command, -command, +command|sub, -command|sub, +@category, \
     -@category"
)]
pub struct RuleError {
    /// What it says.
    pub rule: String,
}

/// Rules in order; none: everything is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    rules: Box<[Rule]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    allow: bool,
    about: About,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum About {
    Category(Box<str>),
    /// A command with all its sub-commands, or one of these.
    Name(Box<str>),
}

// === impl Rules ===

impl Rules {
    /// Reads rules. Whether there are such commands only the server knows.
    ///
    /// # Errors
    ///
    /// The first that is none, or is about a category that no server has.
    pub fn read(rules: &[String]) -> Result<Self, RuleError> {
        let rules = rules.iter().map(|rule| {
            self::rule(rule).ok_or_else(|| RuleError {
                rule: rule.chars().filter(|c| !c.is_control()).take(100).collect(),
            })
        });
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
        })
    }

    /// Whether a command may be called.
    #[must_use]
    pub fn allows(&self, command: &Command) -> bool {
        let mut rules = self.rules.iter().rev();
        let last = rules.find(|rule| rule.about.is(command));
        last.is_none_or(|rule| rule.allow)
    }
}

// === impl About ===

impl About {
    fn is(&self, command: &Command) -> bool {
        match self {
            Self::Category(category) => command.is_in(category),
            Self::Name(name) => {
                let own = &*command.name;
                own == &**name || own.split_once('|').is_some_and(|(of, _)| of == &**name)
            }
        }
    }
}

fn rule(text: &str) -> Option<Rule> {
    let text = text.to_ascii_lowercase();
    let (allow, about) = match text.as_str() {
        "allcommands" => (true, "@all"),
        "nocommands" => (false, "@all"),
        text => {
            let allow = text.starts_with('+');
            (allow, text.strip_prefix(['+', '-'])?)
        }
    };
    let about = match about.strip_prefix('@') {
        Some(category) if CATEGORIES.contains(&category) => About::Category(category.into()),
        Some(_) => return None,
        None => About::Name(name(about)?.into()),
    };
    Some(Rule { allow, about })
}

/// A command's name, with that of a sub-command or without.
fn name(text: &str) -> Option<&str> {
    let (name, sub) = text.split_once('|').unwrap_or((text, "x"));
    let is_name = |text: &str| {
        let is_of_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        !text.is_empty() && text.bytes().all(is_of_name)
    };
    (is_name(name) && is_name(sub)).then_some(text)
}
