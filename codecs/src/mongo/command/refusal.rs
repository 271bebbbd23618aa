//! Why a command is refused, and what its client is told.

use crate::mongo::client::Request;
use crate::mongo::code::Code;
use crate::mongo::report::report;

/// Longest name in bytes of a command that is told again.
const NAME_BYTES_MAX: usize = 64;

/// Why a command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is sent to another database than the session's own.
    Database,
    /// It names one.
    Escape,
    /// It tells of the whole server, or changes it.
    WholeServer,
    /// It changes the schema, and the user may not.
    Structure,
    /// It has options for the storage engine, which is everybody's.
    Engine,
    /// A view, or what else is kept and done again elsewhere, names a database.
    NamedDatabase,
    /// It explains what servers do not explain.
    Explain,
    /// It writes to the collection that says which version the schema has.
    Marker,
    /// Users and roles are made elsewhere.
    Users,
    /// It changes who is logged in.
    Login,
    /// It ends sessions that may be another's.
    Sessions,
    /// No server has it, or none that is like ours.
    Unknown,
}

/// The error that a command is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What programs look at.
    pub code: Code,
    /// Why.
    pub reason: Reason,
    /// What people look at.
    pub text: String,
}

impl Refusal {
    /// The refusal of this request.
    #[must_use]
    pub fn of(request: &Request<'_>, reason: Reason) -> Self {
        let (db, name) = (short(request.db), short(request.name));
        // As the server says it, which shows the whole command.
        let not_authorized = format!("not authorized on {db} to execute command {{ {name}: ... }}");
        let (code, text) = match reason {
            Reason::Database | Reason::WholeServer => (Code::Unauthorized, not_authorized),
            Reason::Escape => {
                let text = format!("{not_authorized}: it names another database");
                (Code::Unauthorized, text)
            }
            Reason::Structure => {
                let why = "a tenant's structure comes by `tdb deployments create` from its \
                           workspace; `tdb tenants create --allow-ddl` lets it change its own";
                (Code::Unauthorized, format!("{not_authorized}: {why}"))
            }
            Reason::Engine => {
                let why = "options of the storage engine are for who runs the server";
                (Code::Unauthorized, format!("{not_authorized}: {why}"))
            }
            Reason::NamedDatabase => {
                let why = "it is done in every tenant's database: leave \"db\" out of the pipeline";
                (Code::Unauthorized, format!("{not_authorized}: {why}"))
            }
            Reason::Explain => {
                let text = "this command cannot be explained";
                (Code::IllegalOperation, text.to_owned())
            }
            Reason::Marker => {
                let why = "the collection is kept by TenantsDB";
                (Code::Unauthorized, format!("{not_authorized}: {why}"))
            }
            Reason::Users => {
                let why = "users and roles are managed by TenantsDB";
                (Code::Unauthorized, format!("{not_authorized}: {why}"))
            }
            Reason::Sessions => {
                let why = "end your own sessions with endSessions";
                (Code::Unauthorized, format!("{not_authorized}: {why}"))
            }
            Reason::Login => {
                let text = "a connection stays with the user that it has logged in as";
                (Code::IllegalOperation, text.to_owned())
            }
            Reason::Unknown => (Code::CommandNotFound, format!("no such command: '{name}'")),
        };
        Self { code, reason, text }
    }

    /// The reply.
    #[must_use]
    pub fn report(&self) -> Vec<u8> {
        report(self.code, &self.text, &[])
    }
}

fn short(name: &str) -> &str {
    let end = name.floor_char_boundary(NAME_BYTES_MAX);
    name.get(..end).unwrap_or_default()
}
