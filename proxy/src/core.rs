//! One core's share: what its sessions use without another core ever waiting for it.

use std::rc::Rc;
use std::sync::Arc;

use crate::context::Context;
use crate::pool::Pools;

/// What each session of one core is given.
#[derive(Debug)]
pub struct Core {
    /// The process's shared parts.
    pub context: Arc<Context>,
    /// The server connections of this core.
    pub pools: Pools,
}

impl Core {
    /// A core without connections. Called on the core's own thread.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Rc<Self> {
        let pools = Pools::new(&context);
        Rc::new(Self { context, pools })
    }
}
