//! A Redis or Valkey server of a test's own, on free ports, without durability.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;

use super::{Flavour, Login, Protocol, Session, programs};
use crate::guard::Guard;
use crate::process::Process;
use crate::{Run, paths, ports};

/// The login that control uses as its admin login.
pub const ADMIN: &str = "default";
/// Its password. The servers listen on the loopback address only and live as long as the tests.
pub const ADMIN_PASSWORD: &str = "the-admin-of-a-test-server";

/// A running server.
pub struct Server {
    /// What it is.
    pub flavour: Flavour,
    /// Where it listens in the clear, on 127.0.0.1.
    pub port: u16,
    /// Where it listens for TLS.
    pub tls_port: u16,
    process: Mutex<Option<Process>>,
    dir: PathBuf,
    arguments: Vec<String>,
    _guard: Guard,
}

impl Server {
    /// Starts a server with its data, certificate and log below `dir`.
    ///
    /// # Panics
    ///
    /// If it does not start, or if another server answers in its place.
    #[must_use]
    pub fn start(flavour: Flavour, dir: &Path) -> Arc<Self> {
        Self::start_with(flavour, dir, &[])
    }

    /// Starts a server with more arguments.
    ///
    /// # Panics
    ///
    /// As [`Self::start`].
    #[must_use]
    pub fn start_with(flavour: Flavour, dir: &Path, arguments: &[&str]) -> Arc<Self> {
        let port = ports::free();
        let dir = dir.join(format!("{}-{port}", flavour.name()));
        std::fs::create_dir_all(&dir).expect("scratch folders can be made");
        let mut certificates = std::process::Command::new(paths::program("tenantsdb-proxy"));
        certificates.arg("dev-certs").arg("--dir").arg(&dir);
        Run::of(&mut certificates).ok();
        let server = Self {
            flavour,
            port,
            tls_port: ports::free(),
            process: Mutex::new(None),
            _guard: Guard::new(
                "sleep 0.3; rm -rf \"$1\"",
                &[dir.to_str().expect("paths here are UTF-8")],
            ),
            dir,
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        };
        server.resume();
        Arc::new(server)
    }

    /// Starts the server again on the same ports after [`Self::stop`] or [`Self::kill`]: empty, and
    /// with its administrator alone.
    ///
    /// # Panics
    ///
    /// If it does not start, or if another server answers in its place.
    pub fn resume(&self) {
        let mut command = programs::program(self.flavour, "server");
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &self.port.to_string()])
            .args(["--tls-port", &self.tls_port.to_string()])
            .args(["--tls-auth-clients", "no"])
            .args(["--requirepass", ADMIN_PASSWORD])
            .args(["--maxclients", "4000"]);
        for (option, file) in [
            ("--dir", ""),
            ("--tls-cert-file", "server.crt"),
            ("--tls-key-file", "server.key"),
            ("--tls-ca-cert-file", "ca.crt"),
        ] {
            command.arg(option).arg(self.dir.join(file));
        }
        command.args(&self.arguments);
        let mut process = Process::spawn("server", &self.dir, &mut command);
        let login = self.admin_login();
        let mut admin = process.wait_ready(|| match login.try_session() {
            Ok(Ok(session)) => Some(session),
            _ => None,
        });
        let info = admin.text("INFO server");
        let expected = format!("process_id:{}\r\n", process.id());
        assert!(info.contains(&expected), "another server answered: {info}");
        let wrong = login.with_password("wrong").refused();
        assert!(wrong.starts_with("WRONGPASS "), "{wrong}");
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

    /// Stops or continues the process: a server that hangs.
    ///
    /// # Panics
    ///
    /// If it is not running.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        let process = self.process.lock().expect("no one panics with it");
        process.as_ref().expect("it is running").signal(signal);
    }

    /// `host:port`, in the clear.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `host:port`, TLS.
    #[must_use]
    pub fn tls_address(&self) -> String {
        format!("127.0.0.1:{}", self.tls_port)
    }

    /// The certificate authority of its certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// The administrator's login, past any proxy.
    #[must_use]
    pub fn admin_login(&self) -> Login {
        Login {
            user: ADMIN.to_owned(),
            password: ADMIN_PASSWORD.to_owned(),
            address: self.address(),
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
        self.admin_login().session_with(Protocol::Resp2)
    }

    /// All keys of the server, in order of the alphabet.
    ///
    /// # Panics
    ///
    /// If the server refuses to tell.
    #[must_use]
    #[track_caller]
    pub fn keys(&self) -> Vec<String> {
        self.admin().list("KEYS *")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}
