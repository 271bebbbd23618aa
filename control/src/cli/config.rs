//! Address and key of the service: where they come from, `tdb config set`, `tdb config show`.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::Error;
use super::{Environment, GlobalArgs, Session, file, print};
use crate::client::Client;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Keep the address (--api-url), the key (--api-key) or both
    Set(SetArgs),
    /// Print what is set and where; the key is masked
    Show,
}

#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// Read the key from standard input, where neither history nor process list shows it
    #[arg(long, conflicts_with = "api_key")]
    api_key_stdin: bool,
}

/// The configuration file.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    api_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
}

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Argument,
    Environment,
    File,
}

/// What holds for this run.
pub(super) struct Settings {
    api_url: Option<(String, Source)>,
    api_key: Option<(String, Source)>,
}

// === impl Settings ===

impl Settings {
    /// Arguments before environment before file, for each setting by itself.
    pub(super) fn resolve(global: &GlobalArgs, environment: &Environment) -> Result<Self, Error> {
        let config = match &environment.config_file {
            Some(path) => file::read(path)?,
            None => Config::default(),
        };
        Ok(Self {
            api_url: first(&global.api_url, &environment.api_url, config.api_url),
            api_key: first(&global.api_key, &environment.api_key, config.api_key),
        })
    }

    /// Address and key, or what to set.
    pub(super) fn into_required(self) -> Result<(String, String), Error> {
        let missing = match (self.api_url, self.api_key) {
            (Some((url, _)), Some((key, _))) => return Ok((url, key)),
            (None, None) => (
                "neither the address of the service nor an API key is set",
                "set TDB_API_URL and TDB_API_KEY, or: tdb config set --api-url URL --api-key KEY",
            ),
            (None, Some(_)) => (
                "the address of the service is not set",
                "set TDB_API_URL, or: tdb config set --api-url URL",
            ),
            (Some(_), None) => (
                "no API key is set",
                "set TDB_API_KEY, or: tdb config set --api-key KEY",
            ),
        };
        Err(Error::usage(missing.0, missing.1))
    }
}

fn first(
    argument: &Option<String>,
    environment: &Option<String>,
    file: Option<String>,
) -> Option<(String, Source)> {
    let from = |value: &Option<String>, source| value.clone().map(|value| (value, source));
    from(argument, Source::Argument)
        .or_else(|| from(environment, Source::Environment))
        .or_else(|| from(&file, Source::File))
}

// === impl Source ===

impl Source {
    fn name(self, flag: &str, variable: &str) -> String {
        match self {
            Self::Argument => flag.to_owned(),
            Self::Environment => variable.to_owned(),
            Self::File => "file".to_owned(),
        }
    }
}

// === impl Command ===

impl Command {
    pub(super) fn what(&self) -> String {
        match self {
            Self::Set(_) => "Setting the configuration".to_owned(),
            Self::Show => "Showing the configuration".to_owned(),
        }
    }

    pub(super) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        match self {
            Self::Set(args) => set(&args, session).await,
            Self::Show => show(session),
        }
    }
}

async fn set(args: &SetArgs, session: &mut Session<'_>) -> Result<(), Error> {
    let api_url = session.global.api_url.clone();
    let api_key = match args.api_key_stdin {
        true => {
            let mut line = String::new();
            session.streams.input.read_line(&mut line)?;
            Some(line.trim().to_owned()).filter(|key| !key.is_empty())
        }
        false => session.global.api_key.clone(),
    };
    if api_url.is_none() && api_key.is_none() {
        return Err(Error::usage(
            "nothing to set",
            "add --api-url URL, --api-key KEY or both",
        ));
    }
    // A URL or a key that cannot work is refused here, where it is typed.
    Client::new(
        api_url.as_deref().unwrap_or("http://localhost"),
        api_key.as_deref().unwrap_or_default(),
    )?;
    let Some(path) = session.environment.config_file.clone() else {
        return Err(Error::usage(
            "there is no home folder",
            "name a file in TDB_CONFIG",
        ));
    };
    file::update(&path, |config: &mut Config| {
        config.api_url = api_url.or(config.api_url.take());
        config.api_key = api_key.or(config.api_key.take());
    })
    .await?;
    let path = path.display().to_string();
    session.print(
        &json!({ "config_file": path }),
        &[],
        &format!("✓ Configuration saved to {path}\n"),
    )
}

fn show(session: &mut Session<'_>) -> Result<(), Error> {
    let settings = session.settings()?;
    let path = session.environment.config_file.as_ref();
    let path = path
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    let url = settings.api_url.as_ref();
    let key = settings
        .api_key
        .as_ref()
        .map(|(key, source)| (masked(key), *source));
    let row = |name: &str, value: Option<&(String, Source)>, flag, variable| {
        let value_text = value.map(|(value, _)| value.as_str());
        let source = value.map(|(_, source)| source.name(flag, variable));
        [
            name.to_owned(),
            print::or_dash(value_text),
            print::or_dash(source.as_deref()),
        ]
    };
    let rows = [
        row("api_url", url, "--api-url", "TDB_API_URL"),
        row("api_key", key.as_ref(), "--api-key", "TDB_API_KEY"),
        [
            "config_file".to_owned(),
            print::or_dash(Some(&path)),
            "-".to_owned(),
        ],
    ];
    let text = print::table(["KEY", "VALUE", "FROM"], rows);
    let url = url.map(|(url, _)| url.as_str());
    let key = key.map(|(key, _)| key);
    let body = json!({ "api_url": url, "api_key": key, "config_file": path });
    session.print(&body, &[url.unwrap_or_default()], &text)
}

/// The part of a key that names it, `tdb_sk_<id>`, without the part that proves it.
fn masked(key: &str) -> String {
    let id = key
        .strip_prefix("tdb_sk_")
        .and_then(|rest| rest.split_once('_'));
    match id {
        Some((id, _)) if id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()) => {
            format!("tdb_sk_{id}_...")
        }
        _ => "...".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_key_shows_its_id_and_nothing_of_its_secret() {
        assert_eq!(
            masked("tdb_sk_0123456789abcdef_topsecret"),
            "tdb_sk_0123456789abcdef_..."
        );
        assert_eq!(masked("tdb_sk_secret_secret"), "...");
        assert_eq!(masked("something else"), "...");
        assert_eq!(masked(""), "...");
    }

    #[test]
    fn arguments_come_before_environment_before_file() {
        let some = |text: &str| Some(text.to_owned());
        let pick = |a, b, c| first(&a, &b, c).map(|(value, _)| value);
        assert_eq!(pick(some("a"), some("b"), some("c")), some("a"));
        assert_eq!(pick(None, some("b"), some("c")), some("b"));
        assert_eq!(pick(None, None, some("c")), some("c"));
        assert_eq!(pick(None, None, None), None);
    }
}
