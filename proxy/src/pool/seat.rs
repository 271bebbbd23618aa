//! A core's ear: what the others want of its idle connections.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::mpsc;

use super::budget::Budget;
use crate::back::Link;

/// What a core is asked for.
#[derive(Debug)]
pub(crate) enum Wanted<C: Link> {
    /// The place of one idle connection of this budget: clients wait for it.
    Place(Arc<Budget<C>>),
    /// All idle connections to the server with this id: it takes no more.
    Server(Arc<str>),
}

/// A core among the others.
#[derive(Debug)]
pub(crate) struct Seat<C: Link> {
    pub(super) core: usize,
    pub(super) wanted: RefCell<mpsc::Receiver<Wanted<C>>>,
}

impl<C: Link> Seat<C> {
    /// What is to be closed. Cancel safe.
    pub(super) async fn wanted(&self) -> Wanted<C> {
        poll_fn(|cx| match self.wanted.borrow_mut().poll_recv(cx) {
            Poll::Ready(Some(wanted)) => Poll::Ready(wanted),
            // The process is going down.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        })
        .await
    }
}
