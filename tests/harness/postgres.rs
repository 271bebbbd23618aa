//! A PostgreSQL server of the test's own: a copied cluster on a free port, without durability.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres::{Client, NoTls};
use rustix::process::Signal;

use crate::guard::Guard;
use crate::process::Process;
use crate::{Run, paths, ports};

/// The superuser, whom control uses as its admin login.
pub const ADMIN: &str = "postgres";
/// Its password. The clusters listen on the loopback address only and live as long as a test.
pub const ADMIN_PASSWORD: &str = "the-admin-of-a-test-cluster";

/// A running server. Dropping it stops it and removes its data.
pub struct Postgres {
    process: Option<Process>,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    data: PathBuf,
    logs: PathBuf,
    _guard: Guard,
}

impl Postgres {
    /// Starts a server; its log goes into `logs`.
    ///
    /// # Panics
    ///
    /// If it does not start, or if another server answers in its place.
    #[must_use]
    pub fn start(logs: &Path) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let data = paths::clusters().join(format!("data-{}-{number}", std::process::id()));
        let path = data.to_str().expect("paths here are UTF-8");
        // The server's own guard kills it with SIGKILL at the same moment; its folder must be free
        // of its last writes before it can be removed.
        let guard = Guard::new(
            "for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf \"$1\" && break; sleep 0.3; done",
            &[path],
        );
        Run::of(Command::new("cp").arg("-a").args([template(), &data])).ok();
        let mut server = Self {
            process: None,
            port: ports::free(),
            data,
            logs: logs.to_owned(),
            _guard: guard,
        };
        server.resume();
        server
    }

    /// Starts the server again on the same port after [`Self::stop`].
    ///
    /// # Panics
    ///
    /// If it does not start, or if another server answers in its place.
    pub fn resume(&mut self) {
        let mut command = paths::as_postgres(&paths::postgres_bin().join("postgres"));
        command.arg("-D").arg(&self.data);
        command.args(["-p", &self.port.to_string()]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let mut process = Process::spawn("postgres", &self.logs, &mut command);
        let mut client = process.wait_ready(|| self.try_admin("postgres").ok());
        let row = client.query_one("SHOW data_directory", &[]);
        let answered: String = row.expect("a superuser may see this").get(0);
        assert_eq!(Path::new(&answered), self.data, "another server answered");
        self.process = Some(process);
    }

    /// Stops the server in an orderly way; connections are cut.
    ///
    /// # Panics
    ///
    /// If it does not stop.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            // The "fast" shutdown: https://www.postgresql.org/docs/15/server-shutdown.html
            process.stop(Signal::INT);
        }
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Connection string of the superuser.
    #[must_use]
    pub fn admin_url(&self, database: &str) -> String {
        let address = self.address();
        format!("postgresql://{ADMIN}:{ADMIN_PASSWORD}@{address}/{database}")
    }

    /// A superuser's connection.
    ///
    /// # Panics
    ///
    /// If the server refuses it.
    #[must_use]
    pub fn admin(&self, database: &str) -> Client {
        self.try_admin(database)
            .unwrap_or_else(|e| panic!("admin in {database}: {e}"))
    }

    fn try_admin(&self, database: &str) -> Result<Client, postgres::Error> {
        Client::connect(&self.admin_url(database), NoTls)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            // "Immediate": the data is thrown away in the next line.
            process.stop(Signal::QUIT);
        }
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// Small and quick; nothing here has to survive a power cut.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "shared_buffers=16MB",
    // As most servers have it.
    "max_connections=100",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
    "jit=off",
    "max_parallel_workers_per_gather=0",
    "log_line_prefix=%m [%p] %u@%d ",
    "log_statement=ddl",
];

/// A cluster to copy, made once for each version of the server's programs.
fn template() -> &'static PathBuf {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let initdb = paths::postgres_bin().join("initdb");
        let version = Run::of(Command::new(&initdb).arg("--version")).out();
        // "initdb (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
        let version = version.split(' ').nth(2).unwrap_or_default();
        let template = paths::clusters().join(format!("template-{version}"));
        if template.is_dir() {
            return template;
        }
        // Under a name of this process first: another test process may be making it too.
        let made = paths::clusters().join(format!("template-{version}.{}", std::process::id()));
        let mut command = paths::as_postgres(&initdb);
        command.arg("-D").arg(&made).args(["-U", ADMIN]);
        command.args(["--auth=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8"]);
        command.args(["--no-sync", "--wal-segsize=1"]);
        let password = made.with_extension("password");
        std::fs::write(&password, ADMIN_PASSWORD).expect("the folder was just made");
        command.arg("--pwfile").arg(&password);
        Run::of(&mut command).ok();
        let _ = std::fs::remove_file(&password);
        if std::fs::rename(&made, &template).is_err() {
            let _ = std::fs::remove_dir_all(&made);
        }
        template
    })
}
