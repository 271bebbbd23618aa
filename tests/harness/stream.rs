//! A connection of a client, in the clear or encrypted.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::wait;

/// A connection, in the clear or encrypted.
pub enum Stream {
    /// TCP alone.
    Plain(TcpStream),
    /// TLS over it.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl Stream {
    /// Connects in the clear; reads and writes end at the tests' deadline.
    ///
    /// # Errors
    ///
    /// Nobody listens.
    pub fn connect(address: &str) -> std::io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(wait::DEADLINE))?;
        socket.set_write_timeout(Some(wait::DEADLINE))?;
        socket.set_nodelay(true)?;
        Ok(Self::Plain(socket))
    }

    /// The TCP connection, for its settings.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => &tls.sock,
        }
    }

    /// Goes on over TLS, with `localhost` and this certificate authority checked.
    ///
    /// # Errors
    ///
    /// The other side's, or the connection's.
    ///
    /// # Panics
    ///
    /// If the file holds no certificate.
    pub fn encrypt(self, ca: &Path) -> std::io::Result<Self> {
        let Self::Plain(socket) = self else {
            return Ok(self);
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca).expect("a certificate file") {
            roots.add(certificate.expect("PEM")).expect("an authority");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut tls = StreamOwned::new(connection, socket);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        Ok(Self::Tls(Box::new(tls)))
    }
}
