//! Everything that ends a run, its exit code, and what to do next.

use std::io;

use serde_json::{Value, json};

use super::print::{Mode, printable};
use crate::client;

/// Why a run ended before it was done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The call failed.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// The command cannot be carried out as it was given.
    #[error("{text}")]
    Usage {
        /// What is wrong.
        text: String,
        /// What to do about it.
        next: String,
    },
    /// Something on this machine does not work: a file, a program.
    #[error("{text}")]
    Local {
        /// What is wrong.
        text: String,
        /// What to do about it.
        next: String,
    },
    /// The deployment that was watched failed for some tenants.
    #[error("{text}")]
    Deployment {
        /// Its blueprint.
        blueprint: String,
        /// How many tenants failed, or why none was tried.
        text: String,
    },
    /// Ctrl-C during a watch.
    #[error("the deployment goes on")]
    Interrupted {
        /// The deployment.
        id: String,
    },
    /// Printing failed.
    #[error("cannot print: {0}")]
    Output(#[from] io::Error),
}

// === impl Error ===

impl Error {
    pub(super) fn usage(text: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Usage {
            text: text.into(),
            next: next.into(),
        }
    }

    pub(super) fn local(text: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Local {
            text: text.into(),
            next: next.into(),
        }
    }

    /// The exit code; `tdb --help` lists them.
    pub(super) fn exit_code(&self) -> u8 {
        use client::Error as E;
        match self {
            // `tdb … | head` is no failure.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Output(_) | Self::Local { .. } | Self::Deployment { .. } => 1,
            Self::Usage { .. } | Self::Client(E::Settings { .. } | E::Name { .. }) => 2,
            Self::Interrupted { .. } => 130,
            Self::Client(error) if error.is_away() => 6,
            Self::Client(E::Unreachable { .. }) => 6,
            Self::Client(E::Answer { .. }) => 1,
            Self::Client(E::Problem(problem)) => match problem.code.as_str() {
                "not_found" | "unknown_version" => 3,
                "conflict" | "idempotency_in_progress" | "idempotency_mismatch" => 4,
                "unauthorized" | "forbidden" => 5,
                _ => 1,
            },
            Self::Client(E::Status { status, .. }) => match status {
                404 => 3,
                401 | 403 => 5,
                _ => 1,
            },
        }
    }

    /// The text for standard error: what failed, why, what to do next.
    pub(super) fn render(&self, what: &str, mode: Mode) -> String {
        if self.exit_code() == 0 {
            return String::new();
        }
        if mode == Mode::Json {
            return format!("{:#}\n", self.document());
        }
        let mut text = match self {
            Self::Interrupted { .. } => format!("\n! {self}\n"),
            _ => format!(
                "✗ {what} failed\n  {}\n",
                self.to_string().replace('\n', "\n  ")
            ),
        };
        if let Some(next) = self.next() {
            text.push_str(&format!("  → {next}\n"));
        }
        printable(&text).into_owned()
    }

    /// The problem document; made up in the same form where the service did not send one.
    fn document(&self) -> Value {
        if let Self::Client(client::Error::Problem(problem)) = self {
            return problem.body.clone();
        }
        let code = match self {
            Self::Client(client::Error::Unreachable { .. }) => "unreachable",
            Self::Client(client::Error::Settings { .. } | client::Error::Name { .. })
            | Self::Usage { .. } => "usage",
            Self::Client(_) => "unexpected_answer",
            Self::Deployment { .. } => "deployment_failed",
            Self::Interrupted { .. } => "interrupted",
            Self::Local { .. } | Self::Output(_) => "local",
        };
        json!({ "code": code, "detail": self.to_string(), "hint": self.next() })
    }

    /// What to do next, as far as that is known.
    fn next(&self) -> Option<String> {
        match self {
            Self::Client(error) => next_for_client(error),
            Self::Usage { next, .. } | Self::Local { next, .. } => Some(next.clone()),
            Self::Deployment { blueprint, .. } => Some(format!(
                "mend the cause, then deploy again, to all tenants of '{blueprint}' (--all) or to \
                 those that failed\n    (--tenant NAME): tenants that are done are skipped"
            )),
            Self::Interrupted { id } => {
                Some(format!("look again: tdb deployments status {id} --watch"))
            }
            Self::Output(_) => None,
        }
    }
}

fn next_for_client(error: &client::Error) -> Option<String> {
    let next = match error {
        client::Error::Problem(problem) => {
            if let Some(hint) = problem.hint.as_ref().filter(|hint| !hint.is_empty()) {
                return Some(hint.clone());
            }
            match problem.code.as_str() {
                "unauthorized" => "check TDB_API_KEY, or: tdb config set --api-key KEY",
                "forbidden" => "use an API key that may do this",
                "no_server" => {
                    "register one: tdb servers add --engine PostgreSQL --address HOST:PORT \
                     --user ADMIN"
                }
                "server_unreachable" => "check that the database server runs: tdb servers list",
                "unknown_version" => "see which there are: tdb blueprints versions BLUEPRINT",
                "not_deployable" => "see what was recorded: tdb workspaces diff WORKSPACE",
                "internal" => "the log of tenantsdb-control says more",
                _ => return None,
            }
        }
        client::Error::Unreachable { .. } => {
            "check that tenantsdb-control runs there; another address: TDB_API_URL, or \
             tdb config set --api-url URL"
        }
        client::Error::Status { .. } => "check the address: tdb config show",
        client::Error::Name { .. } => return None,
        client::Error::Settings { .. } => "see what is set: tdb config show",
        client::Error::Answer { .. } => "tdb and control may be of different versions: tdb version",
    };
    Some(next.to_owned())
}
