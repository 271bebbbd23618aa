//! One Redis client, from its first byte to its last.

use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::TcpStream;

use crate::core::Core;
use crate::limits::{Full, SourcePermit};

/// Serves one client until it is gone. Dropped before, it closes both connections. `source` is its
/// place among those of its address that have not logged in.
pub async fn serve(_core: Rc<Core>, stream: TcpStream, _peer: SocketAddr, _source: SourcePermit) {
    drop(stream);
}

/// Tells a client that there is no place for it.
pub async fn turn_away(_core: Rc<Core>, stream: TcpStream, _peer: SocketAddr, _full: Full) {
    drop(stream);
}
