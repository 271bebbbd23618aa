//! `tdb workspaces settings`: what a Redis blueprint consists of.

use clap::Args;

use super::error::Error;
use super::{Session, print};
use crate::client::types::Settings;

/// What stands for "no bound" and "no rules".
const NONE: &str = "none";

#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    /// The workspace
    pub(super) workspace: String,
    /// Keys beyond which commands that may add data are refused, or none
    #[arg(long, value_name = "N", value_parser = bound)]
    max_keys: Option<Bound>,
    /// Estimated bytes of all keys and values beyond which they are refused (64mb), or none
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_memory: Option<Bound>,
    /// Bytes of the longest argument of a command (1mb), or none
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_value: Option<Bound>,
    /// Which commands there are, as ACL rules in their order ('-@scripting +eval'), or none
    #[arg(long, value_name = "RULES", allow_hyphen_values = true)]
    commands: Option<String>,
    /// When server connections are given back: session or transaction
    #[arg(long, value_name = "MODE", value_parser = ["session", "transaction"])]
    pool_mode: Option<String>,
}

/// A bound to set, or to take away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound(Option<u64>);

// === impl SettingsArgs ===

impl SettingsArgs {
    /// Shows the settings; changes those that were given first.
    pub(super) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let client = session.client()?;
        let before = client.settings_fetch(&self.workspace).await?;
        let mut wanted = before.value.clone();
        self.change(&mut wanted);
        let title = format!("Workspace '{}'", self.workspace);
        if wanted == before.value {
            let text = format!("{title}\n{}", text(&before.value));
            return session.print(&before.body, &[&before.value.version], &text);
        }
        let after = client.settings_set(&self.workspace, &wanted).await?;
        let set = &after.value;
        let text = format!(
            "✓ {title} is at version {}\n\n{}\n  → give it to tenants: tdb deployments create \
             --blueprint {} --all\n",
            set.version,
            text(set),
            self.workspace
        );
        session.print(&after.body, &[&set.version], &text)?;
        session.note_routing(set.routed, &set.behind)
    }

    fn change(&self, settings: &mut Settings) {
        if let Some(Bound(keys)) = self.max_keys {
            settings.keys_max = keys;
        }
        if let Some(Bound(bytes)) = self.max_memory {
            settings.memory_bytes_max = bytes;
        }
        if let Some(Bound(bytes)) = self.max_value {
            settings.value_bytes_max = bytes;
        }
        match self.commands.as_deref() {
            Some(NONE) => settings.commands.clear(),
            Some(rules) => {
                settings.commands = rules.split_whitespace().map(str::to_owned).collect();
            }
            None => {}
        }
        if let Some(mode) = &self.pool_mode {
            settings.pool_mode.clone_from(mode);
        }
    }
}

fn text(settings: &Settings) -> String {
    let number = |bound: Option<u64>| bound.map_or(NONE.to_owned(), |bound| bound.to_string());
    let commands = match settings.commands.as_slice() {
        [] => NONE.to_owned(),
        rules => rules.join(" "),
    };
    print::fields(&[
        ("version", &settings.version),
        ("max keys", &number(settings.keys_max)),
        ("max memory", &number(settings.memory_bytes_max)),
        ("max value", &number(settings.value_bytes_max)),
        ("commands", &commands),
        ("pool mode", &settings.pool_mode),
    ])
}

/// Reads a number, or `none`.
fn bound(text: &str) -> Result<Bound, String> {
    scaled(text, &[])
}

/// Reads bytes as Redis writes them: `1mb` is 1048576, `1m` a million
/// (<https://redis.io/docs/latest/operate/oss_and_stack/management/config-file/>).
fn bytes(text: &str) -> Result<Bound, String> {
    let units = [
        ("kb", 1 << 10),
        ("mb", 1 << 20),
        ("gb", 1 << 30),
        ("k", 1_000),
        ("m", 1_000_000),
        ("g", 1_000_000_000),
        ("b", 1),
    ];
    scaled(text, &units)
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Result<Bound, String> {
    let text = text.to_ascii_lowercase();
    if text == NONE {
        return Ok(Bound(None));
    }
    let unit = units.iter().find(|(unit, _)| text.ends_with(unit));
    let (digits, factor) = match unit {
        Some((unit, factor)) => (text.trim_end_matches(unit), *factor),
        None => (text.as_str(), 1),
    };
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
    let bound = number.and_then(|number| number.checked_mul(factor));
    let like = if units.is_empty() { "1000" } else { "64mb" };
    bound
        .map(|bound| Bound(Some(bound)))
        .ok_or_else(|| format!("a bound looks like {like}, or is {NONE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_redis_writes_them() {
        for (text, read) in [
            ("64mb", Some(64 << 20)),
            ("1GB", Some(1 << 30)),
            ("10k", Some(10_000)),
            ("512", Some(512)),
            ("none", None),
        ] {
            assert_eq!(bytes(text), Ok(Bound(read)), "{text}");
        }
        for wrong in ["", "mb", "0", "-1", "1tb", "99999999999999999999gb"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
        assert_eq!(bound("100000"), Ok(Bound(Some(100_000))));
        assert!(bound("1k").is_err());
    }

    #[test]
    fn what_is_not_said_stays() {
        let mut settings = Settings {
            keys_max: Some(10),
            commands: vec!["-eval".to_owned()],
            pool_mode: "session".to_owned(),
            ..Settings::default()
        };
        let args = SettingsArgs {
            workspace: "a".to_owned(),
            max_keys: None,
            max_memory: Some(Bound(Some(5))),
            max_value: None,
            commands: Some("-@scripting +eval".to_owned()),
            pool_mode: None,
        };
        args.change(&mut settings);
        assert_eq!(settings.keys_max, Some(10));
        assert_eq!(settings.memory_bytes_max, Some(5));
        assert_eq!(settings.commands, ["-@scripting", "+eval"]);
        assert!(text(&settings).contains("max keys:    10"));
    }
}
