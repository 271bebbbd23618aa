//! Cleaning up after a test process that was killed.
//!
//! A guard is a small shell that reads from a pipe whose other end only the test process holds. A
//! line means that all is well and ends it; the end of the pipe means that the test process is
//! gone.

use std::io::Write;
use std::process::{Child, Command, Stdio};

/// Runs a shell script when this process dies, however it dies.
pub struct Guard(Child);

impl Guard {
    /// `script` finds `args` in `$1`, `$2`, …
    ///
    /// # Panics
    ///
    /// If no shell can be started.
    #[must_use]
    pub fn new(script: &str, args: &[&str]) -> Self {
        // Ctrl-C goes to the whole process group; the guard is what must survive it.
        let script = format!("trap '' INT TERM HUP; read -r _ || {{ {script}; }}");
        let shell = Command::new("sh")
            .args(["-c", &script, "guard"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(shell.expect("sh runs"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            let _ = pipe.write_all(b"all is well\n");
        }
        let _ = self.0.wait();
    }
}
