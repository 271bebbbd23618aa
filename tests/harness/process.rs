//! A daemon as a child process: its log, its signals, its end.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::guard::Guard;
use crate::wait;

/// A running child. Dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    _guard: Guard,
}

impl Process {
    /// Starts `command`; what it prints is appended to `<dir>/<name>.log`.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn spawn(name: &str, dir: &Path, command: &mut Command) -> Self {
        let log = dir.join(format!("{name}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&log);
        let file = file.unwrap_or_else(|e| panic!("{}: {e}", log.display()));
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a descriptor is free"))
            .stderr(file);
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{:?}: {e}", command.get_program()));
        let guard = Guard::new("kill -9 \"$1\"", &[&child.id().to_string()]);
        Self {
            name: name.to_owned(),
            child,
            log,
            _guard: guard,
        }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until `ready` answers, and fails at once if the process ends before that.
    ///
    /// # Panics
    ///
    /// If it ends or does not get ready; with its log.
    pub fn wait_ready<T>(&mut self, mut ready: impl FnMut() -> Option<T>) -> T {
        let what = format!("{} to be ready (log: {})", self.name, self.log.display());
        wait::until(&what, || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!(
                    "{} ended with {status}; its log:\n{}",
                    self.name,
                    self.log()
                );
            }
            ready()
        })
    }

    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// If the process is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is there");
    }

    /// Sends a signal and waits for the end.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn stop(mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        let what = format!("{} to end (log: {})", self.name, self.log.display());
        wait::until(&what, || self.child.try_wait().ok().flatten())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
