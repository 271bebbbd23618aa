//! Commands to a server: few at once, bounded in time.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mongodb::bson::Document;
use mongodb::error::{Error as DriverError, ErrorKind};
use mongodb::options::{AuthMechanism, ClientOptions, Credential, ServerAddress, Tls, TlsOptions};
use mongodb::{Client, Collection};
use tenantsdb_codecs::feed::route::ServerTls;
use tokio::sync::{OwnedMutexGuard, RwLock};

use crate::provision::locks::Locks;
use crate::provision::steps::Passing;
use crate::provision::types::unreachable;
use crate::provision::{Error, ServerLogin};

/// Admin connections to one server at once; and as many again for index builds, which may have
/// theirs for a day and must not keep others from suspending a tenant.
const ADMIN_CONNECTIONS_MAX: u32 = 4;
/// How long connecting and finding the server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take: an administrator's commands wait for others' locks.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Codes of errors (`src/mongo/base/error_codes.yml`) that another try may not meet: host
/// unreachable, not found, network timeout, exceeded time limit, lock timeout, shutdown in
/// progress, write conflict, primary stepped down, not writable primary, interrupted at shutdown or
/// by the change of its state, recovering, another index build, database being dropped.
const PASSING: &[i32] = &[
    6, 7, 24, 89, 91, 112, 117, 189, 215, 262, 9001, 10107, 11600, 11602, 13435, 13436, 307,
];

/// One MongoDB server. Clones share its bounds.
#[derive(Clone)]
pub(in crate::provision) struct Mongo {
    inner: Arc<Inner>,
}

struct Inner {
    login: ServerLogin,
    /// Made when first used, so that the driver has a runtime for what it does in the background.
    client: Mutex<Option<Client>>,
    /// The same, for index builds.
    builder: Mutex<Option<Client>>,
    locks: Locks,
    #[cfg(test)]
    cut: super::tests::cut::Cut,
}

/// An error with the server's own code.
#[derive(Clone, Debug)]
pub(in crate::provision) struct Fault {
    pub(super) error: Error,
    /// 0 if it is not the server's.
    pub(super) code: i32,
}

impl fmt::Debug for Mongo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mongo")
            .field("login", &self.inner.login)
            .finish_non_exhaustive()
    }
}

// === impl Mongo ===

impl Mongo {
    pub(in crate::provision) fn new(login: ServerLogin) -> Self {
        Self {
            inner: Arc::new(Inner {
                login,
                client: Mutex::default(),
                builder: Mutex::default(),
                locks: Locks::default(),
                #[cfg(test)]
                cut: super::tests::cut::Cut::default(),
            }),
        }
    }

    pub(super) fn addr(&self) -> &str {
        &self.inner.login.addr
    }

    /// Whether what is sent to the server can be read on its way.
    pub(super) fn is_exposed(&self) -> bool {
        let login = &self.inner.login;
        let host = login.host_port().map_or("", |(host, _)| host);
        let address = host.parse::<IpAddr>();
        let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        login.tls == ServerTls::Disable && !here
    }

    /// Runs a command in a database and gives its answer.
    pub(super) async fn run(&self, database: &str, command: Document) -> Result<Document, Fault> {
        self.run_within(database, command, ANSWER_TIMEOUT).await
    }

    /// Runs a command that may take longer.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves the command running on the server.
    pub(super) async fn run_within(
        &self,
        database: &str,
        command: Document,
        limit: Duration,
    ) -> Result<Document, Fault> {
        self.run_by(&self.client()?, database, command, limit).await
    }

    /// Runs a command that builds indexes, on a connection that nothing else waits for.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves the command running on the server.
    pub(super) async fn build_index(
        &self,
        database: &str,
        command: Document,
        limit: Duration,
    ) -> Result<Document, Fault> {
        let builder = self.client_in(&self.inner.builder)?;
        self.run_by(&builder, database, command, limit).await
    }

    async fn run_by(
        &self,
        client: &Client,
        database: &str,
        command: Document,
        limit: Duration,
    ) -> Result<Document, Fault> {
        let database = client.database(database);
        let answer = database.run_command(command);
        let answer = tokio::time::timeout(limit, answer).await;
        let Ok(answer) = answer else {
            let reason = format!("no answer in {} s", limit.as_secs());
            return Err(unreachable(self.addr(), &reason).into());
        };
        let answer = answer.map_err(|error| self.fault(&error))?;
        match write_failed(&answer) {
            Some(fault) => Err(fault),
            None => Ok(answer),
        }
    }

    /// Runs a command; the codes listed mean that it is as it should be already.
    pub(super) async fn run_unless(
        &self,
        database: &str,
        command: Document,
        done: &[i32],
    ) -> Result<(), Fault> {
        match self.run(database, command).await {
            Err(fault) if done.contains(&fault.code) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// All documents of a command that answers with a cursor.
    ///
    /// # Errors
    ///
    /// Also if there are more than `max`: what is left out would be taken for what is not there.
    pub(super) async fn list(
        &self,
        database: &str,
        command: Document,
        max: usize,
    ) -> Result<Vec<Document>, Fault> {
        let database = self.client()?.database(database);
        let listed = async {
            let mut cursor = database.run_cursor_command(command).await?;
            let mut all = Vec::new();
            while cursor.advance().await? {
                if all.len() == max {
                    return Ok(None);
                }
                all.push(cursor.deserialize_current()?);
            }
            Ok(Some(all))
        };
        let listed = tokio::time::timeout(ANSWER_TIMEOUT, listed).await;
        let Ok(listed) = listed else {
            return Err(unreachable(self.addr(), "no answer in 60 s").into());
        };
        let listed = listed.map_err(|error: DriverError| self.fault(&error))?;
        listed.ok_or_else(|| {
            let database = database.name();
            refused(format!("{database} has more than {max} of what is listed"))
        })
    }

    pub(super) fn collection(
        &self,
        database: &str,
        name: &str,
    ) -> Result<Collection<Document>, Fault> {
        Ok(self.client()?.database(database).collection(name))
    }

    /// A client that logs in as nobody.
    pub(super) fn nobody(&self) -> Result<Client, Fault> {
        let mut options = self.options()?;
        options.credential = None;
        Client::with_options(options).map_err(|error| self.fault(&error))
    }

    /// The lock that keeps builders of a blueprint's templates and their readers apart.
    pub(super) fn template_lock(&self, blueprint: &str) -> Arc<RwLock<()>> {
        self.inner.locks.template(blueprint)
    }

    /// Held by who changes what is in a database.
    pub(super) async fn database_alone(&self, database: &str) -> OwnedMutexGuard<()> {
        self.inner.locks.database(database).await
    }

    /// A place at which a test may cut the work off.
    #[cfg(test)]
    pub(super) async fn cut_here(&self) {
        self.inner.cut.here().await;
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_async, reason = "a place to wait at in tests")]
    pub(super) async fn cut_here(&self) {}

    #[cfg(test)]
    pub(super) fn cut(&self) -> &super::tests::cut::Cut {
        &self.inner.cut
    }

    pub(super) fn fault(&self, error: &DriverError) -> Fault {
        fault_of(self.addr(), error)
    }

    fn client(&self) -> Result<Client, Fault> {
        self.client_in(&self.inner.client)
    }

    fn client_in(&self, slot: &Mutex<Option<Client>>) -> Result<Client, Fault> {
        let slot = slot.lock();
        let mut slot = slot.unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*slot {
            return Ok(client.clone());
        }
        let options = self.options()?;
        let client = Client::with_options(options).map_err(|error| self.fault(&error))?;
        *slot = Some(client.clone());
        Ok(client)
    }

    fn options(&self) -> Result<ClientOptions, Error> {
        let login = &self.inner.login;
        let (host, port) = login
            .host_port()
            .ok_or_else(|| unreachable(&login.addr, "the address is not host:port"))?;
        let tls = match login.tls {
            ServerTls::Disable => Tls::Disabled,
            ServerTls::Require => Tls::Enabled(
                TlsOptions::builder()
                    .allow_invalid_certificates(true)
                    .build(),
            ),
            ServerTls::VerifyFull => {
                let mut options = TlsOptions::default();
                options.ca_file_path.clone_from(&login.ca);
                Tls::Enabled(options)
            }
        };
        let credential = Credential::builder()
            .username(login.user.clone())
            .password(login.password.expose().clone())
            .source("admin".to_owned())
            .mechanism(AuthMechanism::ScramSha256)
            .build();
        Ok(ClientOptions::builder()
            .hosts(vec![ServerAddress::Tcp {
                host: host.to_owned(),
                port: Some(port),
            }])
            // The server that was registered, whatever it says of others.
            .direct_connection(true)
            .tls(tls)
            .credential(credential)
            .app_name("tenantsdb-control".to_owned())
            .max_pool_size(ADMIN_CONNECTIONS_MAX)
            .connect_timeout(CONNECT_TIMEOUT)
            .server_selection_timeout(CONNECT_TIMEOUT)
            .build())
    }
}

// === impl Fault ===

impl Passing for Fault {
    fn passes(&self) -> bool {
        matches!(self.error, Error::Unreachable { .. }) || PASSING.contains(&self.code)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self { error, code: 0 }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        fault.error
    }
}

pub(super) fn refused(text: impl Into<String>) -> Fault {
    Error::Refused(text.into()).into()
}

fn server(code: i32, message: &str) -> Fault {
    Fault {
        error: Error::Server {
            sqlstate: code.to_string(),
            message: message.to_owned(),
        },
        code,
    }
}

/// The first write error, or error of the write concern, of a command that was answered with ok.
fn write_failed(answer: &Document) -> Option<Fault> {
    let of = |error: &Document| {
        let code = error.get_i32("code").unwrap_or_default();
        server(code, error.get_str("errmsg").unwrap_or_default())
    };
    if let Ok(errors) = answer.get_array("writeErrors")
        && let Some(first) = errors.first().and_then(|error| error.as_document())
    {
        return Some(of(first));
    }
    answer.get_document("writeConcernError").ok().map(of)
}

fn fault_of(addr: &str, error: &DriverError) -> Fault {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => server(command.code, &command.message),
        ErrorKind::Authentication { message, .. } => {
            // The driver's own words; the server's are behind them.
            server(18, &format!("the administrator is not let in: {message}"))
        }
        ErrorKind::ServerSelection { message, .. } => unreachable(addr, message).into(),
        ErrorKind::Io(io) => unreachable(addr, &io.to_string()).into(),
        _ => match error.is_network_like() {
            true => unreachable(addr, &error.to_string()).into(),
            false => Error::Server {
                sqlstate: String::new(),
                message: error.to_string(),
            }
            .into(),
        },
    }
}

trait NetworkLike {
    fn is_network_like(&self) -> bool;
}

impl NetworkLike for DriverError {
    fn is_network_like(&self) -> bool {
        matches!(
            *self.kind,
            ErrorKind::ConnectionPoolCleared { .. }
                | ErrorKind::DnsResolve { .. }
                | ErrorKind::InvalidResponse { .. }
                | ErrorKind::Shutdown
        )
    }
}
