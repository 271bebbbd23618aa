//! A MariaDB or MySQL server of the tests' own: a copied data folder on a free port, without
//! durability.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use rustix::process::Signal;

use super::database::Database;
use super::session::Session;
use super::{Flavour, programs};
use crate::guard::Guard;
use crate::process::Process;
use crate::{Run, paths, ports};

/// The login that control uses as its admin login.
pub const ADMIN: &str = "admin";
/// Its password. The servers listen on the loopback address only and live as long as the tests.
pub const ADMIN_PASSWORD: &str = "the-admin-of-a-test-server";
/// Debian's MariaDB package makes this user, `scripts/install.sh` where it did not.
const MARIADB_USER: &str = "mysql";

/// A running server.
pub struct Server {
    /// What it is.
    pub flavour: Flavour,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    process: Mutex<Option<Process>>,
    data: PathBuf,
    logs: PathBuf,
    _guard: Guard,
}

impl Server {
    /// The server that the tests of this process share. Each has databases of its own on it, and
    /// none may change anything else there.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn shared(flavour: Flavour) -> Arc<Self> {
        static MARIADB: OnceLock<Arc<Server>> = OnceLock::new();
        static MYSQL: OnceLock<Arc<Server>> = OnceLock::new();
        let server = match flavour {
            Flavour::MariaDb => &MARIADB,
            Flavour::MySql => &MYSQL,
        };
        let start = || {
            Self::start(
                flavour,
                &paths::scratch(&format!("shared-{}", flavour.name())),
            )
        };
        Arc::clone(server.get_or_init(start))
    }

    /// Starts a server for one test alone; its log goes into `logs`.
    ///
    /// # Panics
    ///
    /// If it does not start, or if another server answers in its place.
    #[must_use]
    pub fn start(flavour: Flavour, logs: &Path) -> Arc<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{}-{number}", flavour.name(), std::process::id());
        let data = paths::clusters().join(name);
        let path = data.to_str().expect("paths here are UTF-8");
        // The server's own guard kills it at the same moment; its folder must be free of its last
        // writes before it can be removed.
        let guard = Guard::new(
            "for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf \"$1\" \"$1.tmp\" && break; sleep 0.3; done",
            &[path],
        );
        Run::of(
            Command::new("cp")
                .arg("-a")
                .args([template(flavour), &data]),
        )
        .ok();
        let server = Self {
            flavour,
            port: ports::free(),
            process: Mutex::new(None),
            data,
            logs: logs.to_owned(),
            _guard: guard,
        };
        server.resume();
        Arc::new(server)
    }

    /// Starts the server again on the same port after [`Self::stop`] or [`Self::kill`].
    ///
    /// # Panics
    ///
    /// If it does not start, or if another server answers in its place.
    pub fn resume(&self) {
        let mut command = program(self.flavour);
        command.args(COMMON).args(special(self.flavour));
        command.arg(format!("--datadir={}", self.data.display()));
        command.arg(format!("--port={}", self.port));
        // A server that starts clears its temporary folder of what looks like its own.
        let temporary = self.data.with_extension("tmp");
        std::fs::create_dir_all(&temporary).expect("the folder is there");
        if self.flavour == Flavour::MariaDb {
            give_to_mariadb(&temporary);
        }
        command.arg(format!("--tmpdir={}", temporary.display()));
        let mut process = Process::spawn(self.flavour.name(), &self.logs, &mut command);
        let mut session = process.wait_ready(|| self.login().try_session().ok());
        let answered = session.one("SELECT @@datadir");
        let expected = format!("{}/", self.data.display());
        assert_eq!(answered, expected, "another server answered");
        let wrong = self.login().with_password("wrong").refused();
        assert_eq!(wrong.number, 1045, "{wrong}");
        *self.process.lock().expect("no one panics with it") = Some(process);
    }

    /// Stops the server in an orderly way; connections are cut.
    ///
    /// # Panics
    ///
    /// If it does not stop.
    pub fn stop(&self) {
        let process = self.process.lock().expect("no one panics with it").take();
        if let Some(process) = process {
            process.stop(Signal::TERM);
        }
    }

    /// `kill -9`.
    ///
    /// # Panics
    ///
    /// If a test panicked at the same time.
    pub fn kill(&self) {
        *self.process.lock().expect("no one panics with it") = None;
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The certificate authority of its certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        certificates().join("ca.crt")
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    fn login(&self) -> Database {
        self.login_of(ADMIN, ADMIN_PASSWORD, "mysql")
    }

    /// A login at this server, past any proxy.
    #[must_use]
    pub fn login_of(&self, user: &str, password: &str, database: &str) -> Database {
        Database {
            user: user.to_owned(),
            password: password.to_owned(),
            address: self.address(),
            name: database.to_owned(),
        }
    }

    /// An administrator's session.
    ///
    /// # Panics
    ///
    /// If the server refuses it.
    #[must_use]
    #[track_caller]
    pub fn admin(&self) -> Session {
        self.login().session()
    }

    /// A database with a login of its own that reaches it alone: what a client is tried with at the
    /// server itself.
    ///
    /// # Panics
    ///
    /// If the name is taken.
    #[must_use]
    #[track_caller]
    pub fn database(&self, name: &str) -> Database {
        let mut admin = self.admin();
        admin.query(&format!("CREATE DATABASE {name}"));
        admin.query(&format!(
            "CREATE USER '{name}'@'%' IDENTIFIED BY 'pw-{name}'"
        ));
        // An underscore in a grant stands for any character.
        let pattern = name.replace('_', "\\_");
        admin.query(&format!("GRANT ALL ON `{pattern}`.* TO '{name}'@'%'"));
        self.login_of(name, &format!("pw-{name}"), name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.data);
        let _ = std::fs::remove_dir_all(self.data.with_extension("tmp"));
    }
}

/// Small and quick; nothing here has to survive a power cut. What a hardened server would refuse
/// by a setting is open, so that it is the tenant's privileges, or the proxy, that refuse.
const COMMON: &[&str] = &[
    "--bind-address=127.0.0.1",
    // Relative to the data folder: the length of such a path is limited.
    "--socket=socket",
    "--pid-file=pid",
    "--skip-name-resolve",
    // As Debian has it.
    "--character-set-server=utf8mb4",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--sync-binlog=0",
    "--max-allowed-packet=64M",
    "--max-connections=300",
    "--performance-schema=OFF",
    "--event-scheduler=ON",
    "--local-infile=ON",
    "--secure-file-priv=",
    "--log-bin-trust-function-creators=1",
];

fn special(flavour: Flavour) -> Vec<String> {
    let certificates = certificates();
    let mut arguments: Vec<String> = [("ca", "ca.crt"), ("cert", "server.crt")]
        .map(|(option, file)| format!("--ssl-{option}={}", certificates.join(file).display()))
        .to_vec();
    let key = match flavour {
        Flavour::MariaDb => "mariadb.key",
        Flavour::MySql => "server.key",
    };
    arguments.push(format!("--ssl-key={}", certificates.join(key).display()));
    if flavour == Flavour::MySql {
        arguments.push("--mysqlx=OFF".to_owned());
    }
    arguments
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The server's program and who it runs as. Oracle's lies in the cache of who runs the tests, which
/// another user may not reach.
fn program(flavour: Flavour) -> Command {
    let mut command = match flavour {
        Flavour::MariaDb => programs::mariadb("mariadbd"),
        Flavour::MySql => programs::mysqld(),
    };
    if is_root() {
        let user = match flavour {
            Flavour::MariaDb => MARIADB_USER,
            Flavour::MySql => "root",
        };
        command.arg(format!("--user={user}"));
    }
    command
}

/// Certificates for the servers, made once; the key also as a file that MariaDB's user can read.
fn certificates() -> &'static Path {
    static CERTIFICATES: OnceLock<(PathBuf, Guard)> = OnceLock::new();
    let made = CERTIFICATES.get_or_init(|| {
        let dir = paths::clusters().join(format!("certificates-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let mut command = Command::new(paths::program("tenantsdb-proxy"));
        Run::of(command.arg("dev-certs").arg("--dir").arg(&dir)).ok();
        let key = dir.join("mariadb.key");
        std::fs::copy(dir.join("server.key"), &key).expect("it was just made");
        Run::of(Command::new("chmod").arg("711").arg(&dir)).ok();
        give_to_mariadb(&key);
        let guard = Guard::new(
            "rm -rf \"$1\"",
            &[dir.to_str().expect("paths here are UTF-8")],
        );
        (dir, guard)
    });
    &made.0
}

fn give_to_mariadb(path: &Path) {
    if is_root() {
        let owner = format!("{MARIADB_USER}:");
        Run::of(Command::new("chown").args(["-R", &owner]).arg(path)).ok();
    }
}

/// A data folder to copy, made once for each flavour and version.
fn template(flavour: Flavour) -> &'static PathBuf {
    static MARIADB: OnceLock<PathBuf> = OnceLock::new();
    static MYSQL: OnceLock<PathBuf> = OnceLock::new();
    let template = match flavour {
        Flavour::MariaDb => &MARIADB,
        Flavour::MySql => &MYSQL,
    };
    template.get_or_init(|| {
        // "mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))"
        let version = Run::of(program(flavour).arg("--version")).out();
        let version = version.split_once("Ver ").map_or("", |(_, rest)| rest);
        let version = version.split(' ').next().unwrap_or_default();
        let name = format!("template-{}-{version}", flavour.name());
        let template = paths::clusters().join(&name);
        if template.is_dir() {
            return template;
        }
        // Under a name of this process first: another test process may be making it too.
        let made = paths::clusters().join(format!("{name}.{}", std::process::id()));
        make(flavour, &made);
        if std::fs::rename(&made, &template).is_err() {
            let _ = std::fs::remove_dir_all(&made);
        }
        template
    })
}

/// Sizes that are written into the data folder.
const SIZES: &[&str] = &["innodb_data_file_path=ibdata1:12M:autoextend"];

fn make(flavour: Flavour, data: &Path) {
    let admin = data.with_extension("sql");
    std::fs::write(&admin, admin_sql(flavour)).expect("the folder is there");
    match flavour {
        Flavour::MariaDb => {
            let mut command = programs::mariadb("mariadb-install-db");
            if is_root() {
                command.arg(format!("--user={MARIADB_USER}"));
            }
            command.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
            command.arg(format!("--datadir={}", data.display()));
            command.args(SIZES.iter().map(|size| format!("--{size}")));
            command.arg("--innodb-log-file-size=8M");
            command.arg(format!("--extra-file={}", admin.display()));
            Run::of(&mut command).ok();
            give_to_mariadb(data);
        }
        Flavour::MySql => {
            let mut command = program(flavour);
            command.arg("--initialize-insecure");
            command.arg(format!("--datadir={}", data.display()));
            command.args(SIZES.iter().map(|size| format!("--{size}")));
            command.arg("--innodb-redo-log-capacity=16M");
            command.arg(format!("--init-file={}", admin.display()));
            Run::of(&mut command).ok();
        }
    }
    let _ = std::fs::remove_file(&admin);
}

/// One statement a line, as an init file has to be.
fn admin_sql(flavour: Flavour) -> String {
    let flush = match flavour {
        // install-db runs without privilege tables in memory.
        Flavour::MariaDb => "FLUSH PRIVILEGES;\n",
        Flavour::MySql => "",
    };
    format!(
        "{flush}CREATE USER '{ADMIN}'@'%' IDENTIFIED BY '{ADMIN_PASSWORD}';\n\
         GRANT ALL ON *.* TO '{ADMIN}'@'%' WITH GRANT OPTION;\n"
    )
}
