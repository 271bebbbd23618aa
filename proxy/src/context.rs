//! What every connection is given: the shared parts of the process.

use std::sync::Arc;

use crate::auth::Mock;
use crate::cancel::CancelKeys;
use crate::config::Config;
use crate::ddl::Captures;
use crate::drain::Drain;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::pool::Budgets;
use crate::route::Routes;
use crate::tls::Tls;

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
    /// How many server connections there may be, for each database.
    pub budgets: Budgets,
    /// The way of captured DDL to control.
    pub captures: Captures,
    /// Whether the process is going down.
    pub drain: Drain,
    /// Stand-in verifiers for names that do not exist.
    pub mock: Mock,
}

impl Context {
    /// Puts the parts together; routes are empty.
    #[must_use]
    pub fn new(config: Config, tls: Tls, captures: Captures) -> Arc<Self> {
        Arc::new(Self {
            routes: Arc::default(),
            tls,
            limits: Limits::new(&config),
            metrics: Metrics::default(),
            cancel: CancelKeys::default(),
            budgets: Budgets::new(&config),
            captures,
            drain: Drain::default(),
            mock: Mock::new(config.control.token.expose().as_bytes()),
            config,
        })
    }
}
