//! TCP to a server.

use std::io;
#[cfg(target_os = "linux")]
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

use crate::stream::keepalive;

/// How long what was sent to a server may stay unconfirmed: as long as keepalive takes to find that
/// nobody is there.
#[cfg(target_os = "linux")]
const UNCONFIRMED_TIMEOUT: Duration = Duration::from_secs(120);

/// A connection to `host:port` that the kernel watches over. Cancel safe: dropped before it is
/// done, it is closed. The deadline is the caller's.
pub(crate) async fn connect(addr: &str) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(addr).await?;
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(&tcp);
    socket.set_tcp_keepalive(&keepalive())?;
    // What is sent and never confirmed is not covered by keepalive.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNCONFIRMED_TIMEOUT))?;
    Ok(tcp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_watches_over_a_server_connection() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let stream = connect(&addr).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap().as_secs(), 60);
        #[cfg(target_os = "linux")]
        assert_eq!(
            socket.tcp_user_timeout().unwrap(),
            Some(UNCONFIRMED_TIMEOUT)
        );
    }
}
