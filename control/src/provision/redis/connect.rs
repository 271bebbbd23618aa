//! Connections to a server: few, bounded in time.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue,
    IntoConnectionInfo as _, Pipeline, RedisConnectionInfo, RedisError, ServerErrorKind,
    TlsCertificates, Value,
};
use tenantsdb_codecs::feed::route::ServerTls;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::catalog::Catalog;
use crate::provision::types::unreachable;
use crate::provision::{Error, ServerLogin};

/// Admin connections to one server at once.
const ADMIN_CONNECTIONS_MAX: usize = 4;
/// How long a verb waits for one of them.
const ADMIN_WAIT: Duration = Duration::from_secs(120);
/// How long connecting and logging in may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take: others' slow commands are waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// One Redis or Valkey server. Clones share its bounds.
#[derive(Clone)]
pub(in crate::provision) struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    login: ServerLogin,
    permits: Arc<Semaphore>,
    /// What the server had when it was last asked.
    catalog: Mutex<Option<Arc<Catalog>>>,
}

/// A session of the administrator. It is never opened again by itself: who finds it broken begins
/// anew, so that what was said before and after a restart of the server is not taken for one.
pub(super) struct Session {
    connection: MultiplexedConnection,
    addr: String,
    _permit: OwnedSemaphorePermit,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("login", &self.inner.login)
            .finish_non_exhaustive()
    }
}

// === impl Redis ===

impl Redis {
    pub(in crate::provision) fn new(login: ServerLogin) -> Self {
        Self {
            inner: Arc::new(Inner {
                login,
                permits: Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX)),
                catalog: Mutex::default(),
            }),
        }
    }

    /// A session of the administrator.
    pub(super) async fn admin(&self) -> Result<Session, Error> {
        let addr = &self.inner.login.addr;
        let permits = Arc::clone(&self.inner.permits);
        let permit = tokio::time::timeout(ADMIN_WAIT, permits.acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(unreachable(addr, "all admin connections are busy"));
        };
        let client = self.client()?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        // The crate's bound is on connecting; this one is on logging in too.
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(connection)) => Ok(Session {
                connection,
                addr: addr.clone(),
                _permit: permit,
            }),
            Ok(Err(error)) => Err(error_of(addr, &error)),
            Err(_) => Err(unreachable(addr, "no answer in 10 s")),
        }
    }

    pub(super) fn addr(&self) -> &str {
        &self.inner.login.addr
    }

    /// What the server has, asked once.
    pub(super) async fn catalog(&self, admin: &mut Session) -> Result<Arc<Catalog>, Error> {
        let known = self.catalog_slot().clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let read = Arc::new(Catalog::read(admin).await?);
        *self.catalog_slot() = Some(Arc::clone(&read));
        Ok(read)
    }

    /// Asks again next time: it may be another server by now, or another version of it.
    pub(super) fn catalog_forget(&self) {
        *self.catalog_slot() = None;
    }

    fn catalog_slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<Catalog>>> {
        let slot = self.inner.catalog.lock();
        slot.unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> Result<Client, Error> {
        let login = &self.inner.login;
        let failed = |error: &RedisError| error_of(&login.addr, error);
        let (host, port) = login
            .host_port()
            .ok_or_else(|| unreachable(&login.addr, "the address is not host:port"))?;
        let host = host.to_owned();
        let settings = RedisConnectionInfo::default()
            .set_username(&login.user)
            .set_password(login.password.expose())
            // Redis 7.0 has no CLIENT SETINFO.
            .set_skip_set_lib_name();
        let addr = match login.tls {
            ServerTls::Disable => ConnectionAddr::Tcp(host, port),
            ServerTls::Require | ServerTls::VerifyFull => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: login.tls == ServerTls::Require,
                tls_params: None,
            },
        };
        let info = addr
            .into_connection_info()
            .map_err(|error| failed(&error))?;
        let info = info.set_redis_settings(settings);
        if login.tls != ServerTls::VerifyFull {
            return Client::open(info).map_err(|error| failed(&error));
        }
        let root_cert = match &login.ca {
            Some(ca) => Some(std::fs::read(ca).map_err(|error| {
                unreachable(&login.addr, &format!("{}: {error}", ca.display()))
            })?),
            None => None,
        };
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert,
        };
        Client::build_with_tls(info, certificates).map_err(|error| failed(&error))
    }
}

// === impl Session ===

impl Session {
    /// One command.
    pub(super) async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, Error> {
        let answer = command.query_async(&mut self.connection).await;
        answer.map_err(|error| error_of(&self.addr, &error))
    }

    /// Several commands in one write; the first error of one of them.
    pub(super) async fn ask_all(&mut self, commands: &Pipeline) -> Result<Vec<Value>, Error> {
        let answers = commands.query_async(&mut self.connection).await;
        answers.map_err(|error| error_of(&self.addr, &error))
    }

    /// A section of INFO.
    pub(super) async fn info(&mut self, section: &str) -> Result<String, Error> {
        self.ask(redis::cmd("INFO").arg(section)).await
    }
}

/// A line `name:value` of INFO.
pub(super) fn info_value<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
}

/// Our word for what the crate reports; of several commands, the first one's.
fn error_of(addr: &str, error: &RedisError) -> Error {
    if let ErrorKind::Io | ErrorKind::Parse | ErrorKind::Server(ServerErrorKind::BusyLoading) =
        error.kind()
    {
        return unreachable(addr, &error.to_string());
    }
    let failures = error.clone().into_server_errors();
    let first = failures.as_deref().and_then(|failures| failures.first());
    let (code, detail) = match first {
        Some((_, first)) => (Some(first.code()), first.details()),
        None => (error.code(), error.detail()),
    };
    Error::Server {
        sqlstate: code.unwrap_or_default().to_owned(),
        message: match (code, detail) {
            (Some(code), Some(detail)) => format!("{code} {detail}"),
            _ => error.to_string(),
        },
    }
}
