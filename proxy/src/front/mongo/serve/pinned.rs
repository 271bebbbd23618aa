//! Why a session in transaction mode keeps its server connection, counted and told.

use tenantsdb_codecs::feed::route::PoolMode;
use tenantsdb_codecs::mongo::pipeline::Pin;
use tracing::debug;

use crate::front::mongo::login::Proved;
use crate::metrics::{self, Metrics};

/// The reason that holds now.
#[derive(Debug, Default)]
pub(super) struct Pinned(Option<Pin>);

impl Pinned {
    /// Takes note of what holds from now on. Each time that a reason begins to hold counts once; in
    /// session mode a server connection is kept in any case, and nothing is counted.
    pub(super) fn note(&mut self, metrics: &Metrics, proved: &Proved, pin: Option<Pin>) {
        let before = std::mem::replace(&mut self.0, pin);
        let Some(pin) = pin.filter(|_| pin != before) else {
            return;
        };
        if proved.route.pool_mode == PoolMode::Transaction {
            metrics.pinned.increment(match pin {
                Pin::Exhaust => metrics::Pin::Exhaust,
                Pin::Transaction => metrics::Pin::Transaction,
                Pin::Cursor => metrics::Pin::Cursor,
            });
            debug!(reason = pin.name(), "server connection kept");
        }
    }
}
