//! Why a request is not carried out, in Redis's words where it has them.

use std::fmt::Write as _;

/// Bytes of arguments that are quoted, and of a name (`commandCheckExistence` in `src/server.c`).
const QUOTED_BYTES_MAX: usize = 128;

/// A request that is answered with an error here. Inside MULTI it spoils the transaction, as it
/// would at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server has no such command.
    Unknown,
    /// The server's command has no such sub-command.
    UnknownSubcommand,
    /// Too few arguments, or too many.
    Arity,
    /// For those who run the server.
    Admin,
    /// The blueprint's rules do not have it.
    Rule,
    /// Not every key or channel of it is known.
    Undescribed,
    /// It would reach beyond the database: why, and what to do instead.
    ServerWide(&'static str),
    /// What a server outside of a cluster says to a cluster's commands.
    NoCluster,
    /// An option that the command does not have, or has with something else behind it.
    Syntax,
    /// A number of keys that is none.
    NotAnInteger,
    /// A number of keys beyond the arguments.
    KeysBeyondArguments,
}

// === impl Refusal ===

impl Refusal {
    /// The error, one line without `-` before it, for a request with these arguments; the name is
    /// the first. Those behind the second may be left out, though only [`Self::Unknown`] then says
    /// less.
    #[must_use]
    pub fn text(&self, args: &[&[u8]]) -> String {
        let name = args.first().copied().unwrap_or_default();
        let called = called(args);
        match self {
            Self::Unknown => unknown(name, args.get(1..).unwrap_or_default()),
            Self::UnknownSubcommand => {
                let sub = quoted(args.get(1).copied().unwrap_or_default(), QUOTED_BYTES_MAX);
                let help = quoted(name, QUOTED_BYTES_MAX).to_uppercase();
                format!("ERR unknown subcommand '{sub}'. Try {help} HELP.")
            }
            Self::Arity => format!("ERR wrong number of arguments for '{called}' command"),
            Self::Admin => format!(
                "NOPERM the '{called}' command is for those who run the server; TenantsDB runs it"
            ),
            Self::Rule => format!(
                "NOPERM the '{called}' command is not among those that the blueprint allows"
            ),
            Self::Undescribed => format!(
                "NOPERM the '{called}' command is not known to keep within one database; use a \
                 dedicated server for it"
            ),
            Self::ServerWide(reason) => format!("NOPERM the '{called}' command: {reason}"),
            Self::NoCluster => "ERR This instance has cluster support disabled".to_owned(),
            Self::Syntax => "ERR syntax error".to_owned(),
            Self::NotAnInteger => "ERR value is not an integer or out of range".to_owned(),
            Self::KeysBeyondArguments => {
                "ERR Number of keys can't be greater than number of args".to_owned()
            }
        }
    }
}

fn unknown(name: &[u8], args: &[&[u8]]) -> String {
    let name = quoted(name, QUOTED_BYTES_MAX);
    let mut text = format!("ERR unknown command '{name}', with args beginning with: ");
    let before = text.len();
    for arg in args {
        let Some(left) = QUOTED_BYTES_MAX.checked_sub(text.len() - before) else {
            break;
        };
        if left == 0 {
            break;
        }
        let _ = write!(text, "'{}' ", quoted(arg, left));
    }
    text
}

/// The name by which access lists know it: `get`, `xgroup|create`.
fn called(args: &[&[u8]]) -> String {
    let mut called = quoted(args.first().copied().unwrap_or_default(), QUOTED_BYTES_MAX);
    called.make_ascii_lowercase();
    if let Some(sub) = args.get(1)
        && is_container(&called)
    {
        called.push('|');
        called.push_str(&quoted(sub, QUOTED_BYTES_MAX).to_lowercase());
    }
    called
}

/// Whether this is a command with sub-commands, as far as a text needs to know.
fn is_container(name: &str) -> bool {
    matches!(
        name,
        "acl"
            | "client"
            | "cluster"
            | "command"
            | "commandlog"
            | "config"
            | "function"
            | "latency"
            | "memory"
            | "module"
            | "object"
            | "pubsub"
            | "script"
            | "slowlog"
            | "xgroup"
            | "xinfo"
    )
}

/// What a client said, cut, and fit for a line.
fn quoted(bytes: &[u8], bytes_max: usize) -> String {
    let bytes = bytes.get(..bytes_max).unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
