//! A command that was run to its end.

use std::io::Write;
use std::process::{Command, Stdio};

/// What a command printed, and its exit code.
#[derive(Clone, Debug)]
pub struct Run {
    /// The command, for messages.
    pub command: String,
    /// Exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output without the final line end.
    pub stdout: String,
    /// Standard error without the final line end.
    pub stderr: String,
}

impl Run {
    /// Runs `command` to its end with `input` on its standard input.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn with_input(command: &mut Command, input: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{:?}: {e}; run: scripts/install.sh test", command));
        let mut pipe = child.stdin.take().expect("it was asked for");
        // Inputs are shorter than a pipe holds, so this cannot wait for the child's output; a child
        // that ended without reading is judged by its exit code.
        let _ = pipe.write_all(input.as_bytes());
        drop(pipe);
        let output = child.wait_with_output().expect("a child can be waited for");
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            text.strip_suffix('\n').map_or(text.clone(), str::to_owned)
        };
        Self {
            command: format!("{command:?}"),
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Runs `command` to its end.
    #[must_use]
    pub fn of(command: &mut Command) -> Self {
        Self::with_input(command, "")
    }

    /// Standard output of a command that succeeded.
    ///
    /// # Panics
    ///
    /// If it did not, with all that it printed.
    #[must_use]
    #[track_caller]
    pub fn out(self) -> String {
        self.ok();
        self.stdout
    }

    /// Holds that the command succeeded.
    ///
    /// # Panics
    ///
    /// If it did not, with all that it printed.
    #[track_caller]
    pub fn ok(&self) -> &Self {
        assert_eq!(self.code, 0, "{self}");
        self
    }

    /// Standard error of a command that failed.
    ///
    /// # Panics
    ///
    /// If it succeeded.
    #[must_use]
    #[track_caller]
    pub fn error(self) -> String {
        assert_ne!(self.code, 0, "this should have failed: {self}");
        self.stderr
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            code,
            stdout,
            stderr,
        } = self;
        write!(f, "{command}: exit code {code}\n{stdout}\n{stderr}")
    }
}
