//! One thread for each core, which serves sessions and nothing else.

use std::io;
use std::net::TcpListener as StdListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tracing::error;

use crate::context::Context;
use crate::core::Core;
use crate::listener::{self, Door};

/// The threads that serve sessions. Each holds a sender; a message or the last one's drop tells.
pub(super) struct Cores {
    running: usize,
    ends: mpsc::Receiver<()>,
}

impl Cores {
    pub(super) fn start(
        context: &Arc<Context>,
        listeners: Vec<Vec<(Door, StdListener)>>,
    ) -> io::Result<Self> {
        let running = listeners.len();
        let (end, ends) = mpsc::channel(running);
        for (index, doors) in listeners.into_iter().enumerate() {
            let (context, end) = (Arc::clone(context), Ended(end.clone()));
            thread::Builder::new()
                .name(format!("core-{index}"))
                .spawn(move || {
                    if let Err(error) = serve_core(context, doors) {
                        error!(%error, index, "core");
                    }
                    drop(end);
                })?;
        }
        Ok(Self { running, ends })
    }

    /// Completes when one has ended. Cancel safe.
    pub(super) async fn lost(&mut self) -> Option<()> {
        self.ends.recv().await?;
        self.running -= 1;
        Some(())
    }

    /// Completes when all have ended. Cancel safe.
    pub(super) async fn ended(&mut self) {
        while self.running > 0 && self.lost().await.is_some() {}
    }
}

/// Says that a core has ended, by a return or a panic.
struct Ended(mpsc::Sender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.try_send(()); // there is room for each core's one message
    }
}

fn serve_core(context: Arc<Context>, doors: Vec<(Door, StdListener)>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let core = Core::new(context);
        tokio::task::spawn_local(Rc::clone(&core).tend());
        let doors = doors.into_iter().map(|(door, listener)| {
            tokio::task::spawn_local(listener::serve(Rc::clone(&core), door, listener))
        });
        for served in doors.collect::<Vec<_>>() {
            served.await.map_err(io::Error::other)??;
        }
        Ok(())
    })
}
