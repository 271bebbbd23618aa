//! The daemon `tenantsdb-proxy`, with certificates and a snapshot folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use rustix::process::Signal;

use crate::control::Control;
use crate::mysql::Flavour;
use crate::ports::{self, Doors};
use crate::process::Process;
use crate::{Run, api, paths};

/// Flags that all proxies of the tests are started with: two threads are enough to meet on, and a
/// handshake that hangs is cut off within the patience of a test.
const FLAGS: &[&str] = &["--cores", "2", "--handshake-seconds", "3"];

/// A proxy that can be stopped and started again.
pub struct Proxy {
    process: Option<Process>,
    name: String,
    dir: PathBuf,
    control_url: String,
    proxy_token: PathBuf,
    doors: Doors,
    admin_port: u16,
    /// Flags of this proxy's own.
    flags: Vec<String>,
}

impl Proxy {
    /// Starts a proxy with the name `name` that follows `control`.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start(dir: &Path, name: &str, doors: Doors, control: &Control) -> Self {
        Self::start_at(dir, name, doors, (control, &control.url()))
    }

    /// Starts a proxy that reaches `control` at another address than control's own.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start_at(
        dir: &Path,
        name: &str,
        doors: Doors,
        (control, url): (&Control, &str),
    ) -> Self {
        let certs = dir.join("certs");
        if !certs.is_dir() {
            let mut command = Command::new(paths::program("tenantsdb-proxy"));
            let command = command.arg("dev-certs").arg("--dir").arg(&certs);
            Run::of(command).ok();
        }
        let mut proxy = Self {
            process: None,
            name: name.to_owned(),
            dir: dir.to_owned(),
            control_url: url.to_owned(),
            proxy_token: control.proxy_token_file().to_owned(),
            doors,
            admin_port: ports::free(),
            flags: Vec::new(),
        };
        proxy.resume();
        proxy
    }

    /// Starts the proxy again, after [`Self::kill`] or [`Self::stop`]; it is ready when this
    /// returns.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn resume(&mut self) {
        let mut command = Command::new(paths::program("tenantsdb-proxy"));
        command
            .args(["run", "--proxy-id", &self.name])
            .args(["--postgres-listen", &self.address()])
            .args(["--mariadb-listen", &self.mysql_address(Flavour::MariaDb)])
            .args(["--mysql-listen", &self.mysql_address(Flavour::MySql)])
            .args(["--redis-listen", &self.redis_address()])
            .args(["--mongo-listen", &self.mongo_address()])
            .args(["--admin-listen", &format!("127.0.0.1:{}", self.admin_port)])
            .args(["--control-url", &self.control_url])
            .arg("--proxy-token-file")
            .arg(&self.proxy_token)
            .arg("--data")
            .arg(self.dir.join(&self.name))
            .arg("--tls-cert")
            .arg(self.dir.join("certs/server.crt"))
            .arg("--tls-key")
            .arg(self.dir.join("certs/server.key"))
            .args(FLAGS)
            .args(&self.flags);
        let mut process = Process::spawn(&self.name, &self.dir, &mut command);
        let ready = self.admin_url("/readyz");
        process.wait_ready(|| api::status_of(&ready).filter(|status| *status == 200));
        self.process = Some(process);
    }

    /// Stops it and starts it again with further flags.
    ///
    /// # Panics
    ///
    /// If it does not end, or does not start.
    pub fn restart_with(&mut self, flags: &[&str]) {
        self.stop();
        self.flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        self.resume();
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Orderly stop: drains, then ends.
    ///
    /// # Panics
    ///
    /// If it does not end by itself.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        let process = self.process.take()?;
        Some(process.stop(Signal::TERM))
    }

    /// `host:port` for PostgreSQL clients.
    #[must_use]
    pub fn address(&self) -> String {
        Doors::address(self.doors.postgres)
    }

    /// `host:port` for MariaDB or MySQL clients.
    #[must_use]
    pub fn mysql_address(&self, flavour: Flavour) -> String {
        Doors::address(match flavour {
            Flavour::MariaDb => self.doors.mariadb,
            Flavour::MySql => self.doors.mysql,
        })
    }

    /// `host:port` for Redis clients.
    #[must_use]
    pub fn redis_address(&self) -> String {
        Doors::address(self.doors.redis)
    }

    /// `host:port` for MongoDB clients.
    #[must_use]
    pub fn mongo_address(&self) -> String {
        Doors::address(self.doors.mongo)
    }

    /// The process id.
    ///
    /// # Panics
    ///
    /// If it is not running.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("it is running").id()
    }

    /// Address of the admin interface: `/metrics`, `/healthz`, `/readyz`.
    #[must_use]
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.admin_port)
    }

    /// What `/metrics` says of one series, as in `checkouts_total{outcome="failed"}`.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    #[track_caller]
    pub fn metric(&self, series: &str) -> u64 {
        let page = api::text_of(&self.admin_url("/metrics"));
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(&format!("tenantsdb_{series} ")));
        let value = line.and_then(|value| value.parse().ok());
        value.unwrap_or_else(|| panic!("no {series} in {page}"))
    }

    /// The certificate authority that signed the proxy's certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.dir.join("certs/ca.crt")
    }

    /// Whether its snapshot on disk knows a database already.
    #[must_use]
    pub fn keeps(&self, database: &str) -> bool {
        let snapshot = self.dir.join(&self.name).join("routes.jsonl");
        std::fs::read_to_string(snapshot).is_ok_and(|text| text.contains(database))
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }
}
