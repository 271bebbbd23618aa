//! A server of the tests' own, on a free port.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use rustix::process::Signal;

use super::database::Database;
use super::programs::{self, Kind};
use crate::guard::Guard;
use crate::process::Process;
use crate::{paths, ports};

/// The login that control uses as its admin login.
pub const ADMIN: &str = "admin";
/// Its password. The servers listen on the loopback address only and live as long as the tests.
pub const ADMIN_PASSWORD: &str = "the-admin-of-a-test-server";

/// A running server.
pub struct Server {
    /// What it is.
    pub kind: Kind,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    process: Mutex<Option<Process>>,
    dir: PathBuf,
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
    pub fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Server>> = OnceLock::new();
        let start = || Self::start(&paths::scratch("shared-mongo"));
        Arc::clone(SHARED.get_or_init(start))
    }

    /// Starts a server for one test alone, with its data and log below `dir`.
    ///
    /// # Panics
    ///
    /// If it does not start, or if another server answers in its place.
    #[must_use]
    pub fn start(dir: &Path) -> Arc<Self> {
        let port = ports::free();
        let dir = dir.join(format!("mongo-{port}"));
        std::fs::create_dir_all(dir.join("data")).expect("scratch folders can be made");
        std::fs::write(dir.join("password"), ADMIN_PASSWORD).expect("the folder is there");
        let server = Self {
            kind: programs::kind(),
            port,
            process: Mutex::new(None),
            _guard: Guard::new(
                "sleep 0.5; rm -rf \"$1\"",
                &[dir.to_str().expect("paths here are UTF-8")],
            ),
            dir,
        };
        server.launch(false, "create").stop(Signal::TERM);
        server.resume();
        Arc::new(server)
    }

    /// Starts the program and waits until `action` of the administrator is done.
    fn launch(&self, closed: bool, action: &str) -> Process {
        let mut command = programs::server(&self.dir.join("data"), self.port, closed);
        command.current_dir(&self.dir);
        let mut process = Process::spawn("server", &self.dir, &mut command);
        let password = self.dir.join("password");
        process.wait_ready(|| {
            let run = programs::admin(action, self.port, &password);
            (run.code == 0).then_some(())
        });
        process
    }

    /// Starts the server again on the same port after [`Self::stop`] or [`Self::kill`].
    ///
    /// # Panics
    ///
    /// If it does not start, or lets in who has no password.
    pub fn resume(&self) {
        let process = self.launch(true, "check");
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

    /// A database of the server as its administrator sees it, past any proxy.
    #[must_use]
    pub fn admin(&self, database: &str) -> Database {
        Database {
            user: ADMIN.to_owned(),
            password: ADMIN_PASSWORD.to_owned(),
            source: "admin".to_owned(),
            address: self.address(),
            name: database.to_owned(),
        }
    }
}
