//! The daemon `tenantsdb-control`, with a store of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::ports::{self, Doors};
use crate::process::Process;
use crate::{Api, Run, api, paths};

/// A control plane that can be stopped and started again with the same store.
pub struct Control {
    process: Option<Process>,
    dir: PathBuf,
    doors: Doors,
    port: u16,
    /// The API key that `init` printed.
    pub api_key: String,
    proxy_token: PathBuf,
}

impl Control {
    /// Makes a store in `dir` and starts control. Connection strings will name `doors`.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start(dir: &Path, doors: Doors) -> Self {
        let mut init = Command::new(paths::program("tenantsdb-control"));
        let init = init.arg("init").arg("--data").arg(dir.join("control"));
        let printed = Run::of(init).out();
        let word = |prefix: &str| {
            let mut words = printed.split(|c: char| c.is_whitespace() || c == '"' || c == '\'');
            let word = words.find_map(|word| word.find(prefix).map(|at| word[at..].to_owned()));
            word.unwrap_or_else(|| panic!("init prints no {prefix}…: {printed}"))
        };
        let proxy_token = dir.join("proxy-token");
        fs::write(&proxy_token, word("tdb_pt_")).expect("the folder is there");
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&proxy_token, private).expect("the file is ours");
        let mut control = Self {
            process: None,
            dir: dir.to_owned(),
            doors,
            port: ports::free(),
            api_key: word("tdb_sk_"),
            proxy_token,
        };
        control.resume();
        control
    }

    /// Starts control on its store, after [`Self::kill`] or [`Self::stop`].
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn resume(&mut self) {
        let mut command = Command::new(paths::program("tenantsdb-control"));
        command
            .arg("run")
            .arg("--data")
            .arg(self.dir.join("control"));
        command.args(["--listen", &self.address()]);
        command.args(["--postgres-address", &Doors::address(self.doors.postgres)]);
        command.args(["--mariadb-address", &Doors::address(self.doors.mariadb)]);
        command.args(["--mysql-address", &Doors::address(self.doors.mysql)]);
        command.args(["--redis-address", &Doors::address(self.doors.redis)]);
        command.args(["--mongo-address", &Doors::address(self.doors.mongo)]);
        let mut process = Process::spawn("control", &self.dir, &mut command);
        let ready = format!("{}/readyz", self.url());
        process.wait_ready(|| api::status_of(&ready).filter(|status| *status == 200));
        self.process = Some(process);
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Orderly stop.
    ///
    /// # Panics
    ///
    /// If it does not end by itself.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Signal::TERM);
        }
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where the first proxy listens, whose addresses connection strings name.
    #[must_use]
    pub fn doors(&self) -> Doors {
        self.doors
    }

    /// `http://host:port`
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The file that holds the proxies' token.
    #[must_use]
    pub fn proxy_token_file(&self) -> &Path {
        &self.proxy_token
    }

    /// The REST interface with the API key.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(&self.url(), &self.api_key)
    }
}
