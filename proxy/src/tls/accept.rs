//! TLS towards clients.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certs::{self, EndPoint};
use super::{TlsError, provider};
use crate::config::CertFiles;

/// Largest record towards a client, its 5 bytes of header included. libpq's asynchronous reader
/// looks at its socket, not into the TLS library: what a record holds beyond its buffer of 8 kB
/// would lie there unseen until the next record arrives.
const RECORD_BYTES_MAX: usize = 8 * 1024;

/// PostgreSQL's name in the TLS handshake; must be agreed on where TLS starts without SSLRequest:
/// <https://www.postgresql.org/docs/17/protocol-flow.html#PROTOCOL-FLOW-SSL>.
pub const ALPN_POSTGRES: &[u8] = b"postgresql";

/// One certificate's worth of the client side. Replaced whole on reload.
#[derive(Debug)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    /// For protocols that have no name in the TLS handshake: what the client names is no matter.
    nameless: Arc<ServerConfig>,
    end_point: EndPoint,
}

impl Acceptor {
    /// Reads a chain and its key.
    ///
    /// # Errors
    ///
    /// A file that cannot be used, or a key that is not the certificate's.
    pub fn load(files: &CertFiles) -> Result<Self, TlsError> {
        let chain = certs::chain(&files.cert)?;
        let key = certs::key(&files.key)?;
        let end_point = chain.first().map(EndPoint::of);
        let end_point = end_point.ok_or_else(|| TlsError::Empty(files.cert.clone()))?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|source| TlsError::Rustls {
                path: files.cert.clone(),
                source,
            })?;
        config.max_fragment_size = Some(RECORD_BYTES_MAX);
        let nameless = Arc::new(config.clone());
        config.alpn_protocols = vec![ALPN_POSTGRES.to_vec()];
        Ok(Self {
            nameless,
            config: Arc::new(config),
            end_point,
        })
    }

    /// TLS after SSLRequest was answered `S`. A client may name protocols (ALPN) or not; if it
    /// does, PostgreSQL's must be among them. Not cancel safe: the stream is lost. No deadline of
    /// its own.
    ///
    /// # Errors
    ///
    /// The handshake failed.
    pub async fn negotiated<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        TlsAcceptor::from(Arc::clone(&self.config))
            .accept(stream)
            .await
    }

    /// TLS from the first byte: the client must name PostgreSQL, so that another protocol's client
    /// cannot be led here. `first` is what was read to find that it is TLS. Not cancel safe: the
    /// stream is lost. No deadline of its own.
    ///
    /// # Errors
    ///
    /// The handshake failed, or the client did not name PostgreSQL.
    pub async fn direct<S>(&self, stream: S, first: &[u8]) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = begun(&self.config, stream, first).await?;
        if stream.get_ref().1.alpn_protocol() == Some(ALPN_POSTGRES) {
            return Ok(stream);
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "direct TLS without ALPN protocol \"postgresql\"",
        ))
    }

    /// TLS behind MySQL's SSLRequest, which is not answered: the client may have sent its hello
    /// with it. `first` is what came behind the request. Not cancel safe: the stream is lost. No
    /// deadline of its own.
    ///
    /// # Errors
    ///
    /// The handshake failed.
    pub async fn behind_request<S>(&self, stream: S, first: &[u8]) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        begun(&self.nameless, stream, first).await
    }

    /// TLS from the first byte, of which nothing has been read, for protocols without a name in
    /// it. Not cancel safe: the stream is lost. No deadline of its own.
    ///
    /// # Errors
    ///
    /// The handshake failed.
    pub async fn nameless<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        begun(&self.nameless, stream, &[]).await
    }

    /// What `tls-server-end-point` channel binding binds to on this side.
    #[must_use]
    pub const fn end_point(&self) -> &EndPoint {
        &self.end_point
    }
}

/// A handshake of which `first` has been read already.
async fn begun<S>(
    config: &Arc<ServerConfig>,
    stream: S,
    mut first: &[u8],
) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let acceptor = TlsAcceptor::from(Arc::clone(config));
    let accept = acceptor.accept_with(stream, |session| {
        while !first.is_empty() && session.read_tls(&mut first).is_ok_and(|read| read > 0) {
            if session.process_new_packets().is_err() {
                break; // the handshake meets the same error, and sends the alert
            }
        }
    });
    accept.await
}

#[cfg(test)]
mod tests;
