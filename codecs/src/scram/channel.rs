//! Channel binding: proof that both ends see the same TLS connection.

/// What the TLS connection is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Hash of the server's certificate (RFC 5929, section 4): by the hash of the certificate's own
    /// signature, SHA-256 where that is MD5 or SHA-1.
    TlsServerEndPoint(Vec<u8>),
}

impl ChannelBinding {
    /// Name that the GS2 header has for it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::TlsServerEndPoint(_) => "tls-server-end-point",
        }
    }

    pub(super) fn data(&self) -> &[u8] {
        match self {
            Self::TlsServerEndPoint(hash) => hash,
        }
    }
}
