//! The command line `tdb`, with a home of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{Run, paths};

/// `tdb`, pointed at one control.
pub struct Tdb {
    url: String,
    key: String,
    /// Home folder: the credentials file goes there.
    pub home: PathBuf,
}

impl Tdb {
    /// Nothing is run yet.
    ///
    /// # Panics
    ///
    /// If the home folder cannot be made.
    #[must_use]
    pub fn new(url: &str, key: &str, home: &Path) -> Self {
        std::fs::create_dir_all(home).expect("scratch folders can be made");
        Self {
            url: url.to_owned(),
            key: key.to_owned(),
            home: home.to_owned(),
        }
    }

    /// The command, for changes to its environment.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(paths::program("tdb"));
        command
            .args(args)
            .env("TDB_API_URL", &self.url)
            .env("TDB_API_KEY", &self.key)
            .env("HOME", &self.home)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("TDB_CONFIG");
        command
    }

    /// Runs it to its end.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Run {
        Run::of(&mut self.command(args))
    }

    /// What it prints with `--json`.
    ///
    /// # Panics
    ///
    /// If it fails, or prints something else.
    #[must_use]
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        let mut args = args.to_vec();
        args.push("--json");
        let out = self.run(&args).out();
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?}: {e} in {out}"))
    }
}
