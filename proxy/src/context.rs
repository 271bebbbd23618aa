//! What every connection is given: the shared parts of the process.

use std::sync::Arc;

use crate::auth::Mock;
use crate::auth::rsa::{Rsa, RsaError};
use crate::back::mysql::secret::Secrets;
use crate::back::redis::tables::Tables;
use crate::back::{mongo, mysql, postgres, redis};
use crate::cancel::{CancelKeys, ConnectionIds};
use crate::config::Config;
use crate::ddl::Captures;
use crate::ddl::journal::Journal;
use crate::ddl::mongo::Transactions;
use crate::ddl::redeliver::Undelivered;
use crate::drain::Drain;
use crate::front::redis::ClientIds;
use crate::front::redis::registry::Tenants;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::nonce::random;
use crate::pool::Budgets;
use crate::route::Routes;
use crate::tls::Tls;
use crate::walk::Walks;

/// The process's shared parts; one, behind an [`Arc`]. All of it is read-mostly, or sharded.
#[derive(Debug)]
pub struct Context {
    /// What the operator asked for.
    pub config: Config,
    /// Where databases live.
    pub routes: Arc<Routes>,
    /// Certificates and trust, both sides.
    pub tls: Tls,
    /// How many clients there may be.
    pub limits: Limits,
    /// What is counted.
    pub metrics: Metrics,
    /// The cancel keys of the sessions of this process.
    pub cancel: CancelKeys,
    /// The connection ids of MySQL clients of this process.
    pub connection_ids: ConnectionIds,
    /// What logs in to MySQL servers.
    pub(crate) secrets: Secrets,
    /// What MySQL clients without TLS seal their passwords with.
    pub(crate) rsa: Rsa,
    /// What Redis servers say of their commands.
    pub(crate) tables: Tables,
    /// What the MongoDB clients of this process have open on their servers.
    pub(crate) mongo_groups: Arc<crate::front::mongo::group::Groups>,
    /// The Redis clients of this process.
    pub(crate) redis_clients: Arc<Tenants>,
    /// What is asked of Redis servers about tenants' names.
    pub(crate) walks: Walks,
    /// The ids of Redis clients of this process.
    pub(crate) client_ids: ClientIds,
    /// What open transactions of MongoDB workspaces will have done.
    pub(crate) mongo_transactions: Transactions,
    /// The record of DDL that is about to be forwarded; `None` without a data directory.
    pub(crate) record: Option<Record>,
    /// How many server connections there may be, for each database.
    pub(crate) budgets: EngineBudgets,
    /// The way of captured DDL to control.
    pub captures: Captures,
    /// Which of several proxies this is, for MongoDB drivers behind a load balancer: `serviceId` of
    /// a hello. Another after each start, when all sessions and cursors are gone.
    pub(crate) service_id: [u8; 12],
    /// Whether the process is going down.
    pub drain: Drain,
    /// Stand-in verifiers for names that do not exist.
    pub mock: Mock,
}

/// The durable record of MySQL and MongoDB workspaces' DDL, and what of it control does not have.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) journal: Journal,
    pub(crate) undelivered: Undelivered,
}

/// The budgets of each engine's databases.
#[derive(Debug)]
pub(crate) struct EngineBudgets {
    pub(crate) postgres: Arc<Budgets<postgres::Connection>>,
    pub(crate) mysql: Arc<Budgets<mysql::Connection>>,
    pub(crate) mongo: Arc<Budgets<mongo::Connection>>,
    pub(crate) redis: Arc<Budgets<redis::Connection>>,
}

impl Context {
    /// Puts the parts together; routes are empty.
    ///
    /// # Errors
    ///
    /// The RSA key for MySQL cannot be read.
    pub(crate) fn new(
        config: Config,
        tls: Tls,
        captures: Captures,
        record: Option<Record>,
    ) -> Result<Arc<Self>, RsaError> {
        let rsa = Rsa::new(config.mysql_rsa_key.as_deref())?;
        Ok(Arc::new(Self {
            routes: Arc::default(),
            tls,
            limits: Limits::new(&config),
            metrics: Metrics::default(),
            cancel: CancelKeys::default(),
            connection_ids: ConnectionIds::default(),
            secrets: Secrets::default(),
            rsa,
            tables: Tables::default(),
            mongo_groups: Arc::default(),
            redis_clients: Arc::default(),
            walks: Walks::default(),
            client_ids: ClientIds::default(),
            mongo_transactions: Transactions::default(),
            record,
            budgets: EngineBudgets {
                postgres: Arc::new(Budgets::new(config.server_connections_max)),
                mysql: Arc::new(Budgets::new(config.server_connections_max)),
                mongo: Arc::new(Budgets::new(config.mongo_server_connections_max)),
                redis: Arc::new(Budgets::new(config.redis_server_connections_max)),
            },
            captures,
            service_id: random(),
            drain: Drain::default(),
            mock: Mock::new(config.control.token.expose().as_bytes()),
            config,
        }))
    }
}
