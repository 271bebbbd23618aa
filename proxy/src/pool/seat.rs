//! A core's ear: what the others want of its idle connections.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::mpsc;

use super::budget::Budget;

/// What a core is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// The place of one idle connection of this budget: clients wait for it.
    Place(Arc<Budget>),
    /// All idle connections to the server with this id: it takes no more.
    Server(Arc<str>),
}

/// A core among the others.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(super) core: usize,
    pub(super) wanted: RefCell<mpsc::Receiver<Wanted>>,
}

impl Seat {
    /// What is to be closed. Cancel safe.
    pub(super) async fn wanted(&self) -> Wanted {
        poll_fn(|cx| match self.wanted.borrow_mut().poll_recv(cx) {
            Poll::Ready(Some(wanted)) => Poll::Ready(wanted),
            // The process is going down.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        })
        .await
    }
}
