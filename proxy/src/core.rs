//! One core's share: what its sessions use without another core ever waiting for it.

use std::rc::Rc;
use std::sync::Arc;

use crate::back::{mongo, mysql, postgres, redis};
use crate::context::Context;
use crate::pool::Pools;

/// What each session of one core is given.
#[derive(Debug)]
pub struct Core {
    /// The process's shared parts.
    pub context: Arc<Context>,
    /// The server connections of this core.
    pub(crate) postgres: Pools<postgres::Connection>,
    pub(crate) mysql: Pools<mysql::Connection>,
    pub(crate) mongo: Pools<mongo::Connection>,
    /// Sessions' connections, and those that only look for names (`…:walk`).
    pub(crate) redis: Pools<redis::Connection>,
}

impl Core {
    /// A core without connections. Called on the core's own thread.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Rc<Self> {
        let (config, budgets) = (&context.config, &context.budgets);
        Rc::new(Self {
            postgres: Pools::new(config, &budgets.postgres),
            mysql: Pools::new(config, &budgets.mysql),
            mongo: Pools::new(config, &budgets.mongo),
            redis: Pools::new(config, &budgets.redis),
            context,
        })
    }

    /// Looks after the idle connections for as long as it runs.
    pub async fn tend(self: Rc<Self>) {
        let idle_timeout = self.context.config.idle_timeout;
        tokio::join!(
            self.postgres.tend(idle_timeout),
            self.mysql.tend(idle_timeout),
            self.mongo.tend(idle_timeout),
            self.redis.tend(idle_timeout)
        );
    }
}
