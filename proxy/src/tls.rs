//! TLS towards clients and towards servers. rustls with ring; TLS 1.2 and 1.3.
//!
//! - [`accept`]: the client side.
//! - [`dial`]: the server side.
//! - [`certs`]: PEM files, and the hash that SCRAM binds to.
//! - [`dev`]: certificates for development.

pub mod accept;
pub mod certs;
pub mod dev;
pub mod dial;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem;

use crate::config::{CertFiles, Config};
use accept::Acceptor;
use dial::Dialer;

/// Certificates and trust of the process.
#[derive(Debug)]
pub struct Tls {
    files: Option<CertFiles>,
    acceptor: ArcSwapOption<Acceptor>,
    dialer: Dialer,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that is not there, not readable, or not PEM.
    #[error("{path}: {source}", path = path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A file without a certificate.
    #[error("{path} holds no certificate", path = .0.display())]
    Empty(PathBuf),
    /// A certificate that is no trust anchor, or a key that does not belong to the certificate.
    #[error("{path}: {source}", path = path.display())]
    Rustls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The library's own settings.
    #[error("setting up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

impl Tls {
    /// Reads the files that `config` names.
    ///
    /// # Errors
    ///
    /// A file that cannot be used.
    pub fn load(config: &Config) -> Result<Self, TlsError> {
        let acceptor = config.client_tls.as_ref().map(Acceptor::load).transpose()?;
        Ok(Self {
            files: config.client_tls.clone(),
            acceptor: ArcSwapOption::from(acceptor.map(Arc::new)),
            dialer: Dialer::load(config.server_ca.as_deref())?,
        })
    }

    /// Reads the client side's files again. Connections that are there keep what they have; if the
    /// files cannot be used, so do new ones.
    ///
    /// # Errors
    ///
    /// A file that cannot be used; nothing has changed then.
    pub fn reload(&self) -> Result<(), TlsError> {
        if let Some(files) = &self.files {
            self.acceptor.store(Some(Arc::new(Acceptor::load(files)?)));
        }
        Ok(())
    }

    /// The client side as it is now; `None` where TLS is not offered.
    #[must_use]
    pub fn acceptor(&self) -> Option<Arc<Acceptor>> {
        self.acceptor.load_full()
    }

    /// The server side.
    #[must_use]
    pub const fn dialer(&self) -> &Dialer {
        &self.dialer
    }
}

/// The process's cryptography. Also made the process default, for libraries that ask for that.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    if CryptoProvider::get_default().is_none() {
        // Loses only against another thread that installs the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let made = || Arc::new(rustls::crypto::ring::default_provider());
    CryptoProvider::get_default().map_or_else(made, Arc::clone)
}
