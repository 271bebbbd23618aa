//! TLS towards servers: as the route asks for it, and PostgreSQL's way of asking the server.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tenantsdb_codecs::feed::route::ServerTls;
use tenantsdb_codecs::postgres::startup::encode_ssl_request;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certs::{self, EndPoint};
use super::{TlsError, provider};
use crate::fault::{Fault, FaultKind};

/// Answer to SSLRequest: go on with TLS.
const SSL_YES: u8 = b'S';
/// Answer to SSLRequest: the server does not offer TLS.
const SSL_NO: u8 = b'N';

/// The server side of TLS.
#[derive(Debug)]
pub struct Dialer {
    require: Arc<ClientConfig>,
    verify: Option<Arc<ClientConfig>>,
}

/// A connection to a server, before its login.
#[derive(Debug)]
pub enum Dialled<S> {
    /// As it was.
    Plain(S),
    /// Protected; boxed because it is some kilobytes.
    Tls(Box<TlsStream<S>>),
}

/// Why there is no TLS with a server.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The server has none.
    #[error("server does not offer TLS, and its route asks for it")]
    NotOffered,
    /// Something else than a yes or no.
    #[error("server answered SSLRequest with byte {0:#04x}")]
    Answer(u8),
    /// Data that whoever sits between wants to be taken as protected.
    #[error("server sent data between its answer to SSLRequest and TLS")]
    EarlyData,
    /// `verify-full` without anything to verify against.
    #[error("route asks for verify-full, and the proxy was started without --server-ca")]
    NoRoots,
    /// The host of the server's address can be in no certificate.
    #[error("server host cannot be verified: {0}")]
    Host(#[from] InvalidDnsNameError),
    /// The handshake failed, or the connection.
    #[error("TLS with server: {0}")]
    Io(#[from] io::Error),
}

impl Fault for DialError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotOffered | Self::Answer(_) | Self::EarlyData => FaultKind::Server,
            Self::NoRoots | Self::Host(_) => FaultKind::Policy,
            Self::Io(_) => FaultKind::ServerGone,
        }
    }
}

impl Dialer {
    /// Reads the roots that `verify-full` servers must be signed by.
    ///
    /// # Errors
    ///
    /// The file cannot be used.
    pub fn load(server_ca: Option<&Path>) -> Result<Self, TlsError> {
        let builder = || {
            ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()
        };
        let unverified = Arc::new(Unverified(provider()));
        let require = builder()?
            .dangerous()
            .with_custom_certificate_verifier(unverified)
            .with_no_client_auth();
        let verify = match server_ca {
            None => None,
            Some(path) => {
                let roots = roots(path)?;
                let config = builder()?
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                Some(Arc::new(config))
            }
        };
        Ok(Self {
            require: Arc::new(require),
            verify,
        })
    }

    /// Protects `stream` as the route of a PostgreSQL server says. `addr` is the server's `host:port`; the certificate
    /// must be valid for the host. Not cancel safe: the stream is lost. No deadline of its own.
    ///
    /// # Errors
    ///
    /// There is no TLS as asked for; the stream is closed.
    pub async fn dial<S>(
        &self,
        stream: S,
        tls: ServerTls,
        addr: &str,
    ) -> Result<Dialled<S>, DialError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Some((connector, name)) = self.connector(tls, addr)? else {
            return Ok(Dialled::Plain(stream));
        };
        let stream = request(stream).await?;
        Ok(Dialled::Tls(Box::new(
            connector.connect(name, stream).await?,
        )))
    }

    /// Protects `stream`, whose server has been told that TLS begins. A route that asks for none
    /// gets what [`ServerTls::Require`] does. Not cancel safe: the stream is lost. No deadline of
    /// its own.
    ///
    /// # Errors
    ///
    /// There is no TLS as asked for; the stream is closed.
    pub async fn protect<S>(
        &self,
        stream: S,
        tls: ServerTls,
        addr: &str,
    ) -> Result<TlsStream<S>, DialError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let asked = self.connector(tls, addr)?;
        let (connector, name) = asked.unwrap_or_else(|| self.unverified(addr));
        Ok(connector.connect(name, stream).await?)
    }

    /// How the route asks for TLS; `None` if it does not.
    fn connector(
        &self,
        tls: ServerTls,
        addr: &str,
    ) -> Result<Option<(TlsConnector, ServerName<'static>)>, DialError> {
        Ok(match tls {
            ServerTls::Disable => None,
            ServerTls::Require => Some(self.unverified(addr)),
            ServerTls::VerifyFull => {
                let verify = self.verify.as_ref().ok_or(DialError::NoRoots)?;
                let name = ServerName::try_from(host(addr).to_owned())?;
                Some((TlsConnector::from(Arc::clone(verify)), name))
            }
        })
    }

    fn unverified(&self, addr: &str) -> (TlsConnector, ServerName<'static>) {
        let connector = TlsConnector::from(Arc::clone(&self.require));
        (connector, unverified_name(addr))
    }
}

/// What `tls-server-end-point` channel binding binds to on this side: the server's certificate.
#[must_use]
pub fn end_point<S>(stream: &TlsStream<S>) -> Option<EndPoint> {
    stream
        .get_ref()
        .1
        .peer_certificates()?
        .first()
        .map(EndPoint::of)
}

/// Sends SSLRequest and reads the one byte that answers it.
async fn request<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> Result<S, DialError> {
    let mut packet = Vec::new();
    encode_ssl_request(&mut packet);
    stream.write_all(&packet).await?;
    // Room for one byte more than the answer has: TLS starts with our bytes, so whatever comes
    // behind the answer was sent by someone who wants it to pass for protected.
    let mut answer = [0; 2];
    let read = stream.read(&mut answer).await?;
    match (read, answer) {
        (0, _) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        (1, [SSL_YES, _]) => Ok(stream),
        (1, [SSL_NO, _]) => Err(DialError::NotOffered),
        (_, [SSL_YES | SSL_NO, _]) => Err(DialError::EarlyData),
        (_, [other, _]) => Err(DialError::Answer(other)),
    }
}

/// The host of `host:port`, without the brackets of an IPv6 address.
fn host(addr: &str) -> &str {
    let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host);
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host)
}

/// A name for the handshake (SNI) where nothing is verified; any host must do.
fn unverified_name(addr: &str) -> ServerName<'static> {
    let name = ServerName::try_from(host(addr).to_owned());
    name.unwrap_or_else(|_| ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()))
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for cert in certs::chain(path)? {
        roots.add(cert).map_err(|source| TlsError::Rustls {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(roots)
}

/// Takes any certificate, and still checks that the server has its key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
