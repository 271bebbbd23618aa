//! From the first byte to the StartupMessage or CancelRequest.
//!
//! ```text
//!   first byte 0x16 ─► TLS, ALPN must be agreed ──┐
//!   GSSENCRequest ─► N, once ─► again             ▼
//!   SSLRequest ─► S, TLS, once ─► again, inside: StartupMessage or CancelRequest
//!       └───────► N, once ─► again
//! ```

use tenantsdb_codecs::postgres::startup::{self as wire, StartupPacket};
use tenantsdb_codecs::scram::channel::ChannelBinding;
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::Client;
use super::refuse::Refusal;
use super::startup::Startup;
use crate::stream::Stream;
use crate::tls::accept::Acceptor;

/// First byte of a TLS connection: a record of the handshake (RFC 8446, section 5.1). As the first
/// of a startup packet it would announce 370 MB.
const TLS_HANDSHAKE: u8 = 0x16;

/// What the client came for.
#[derive(Debug)]
pub(super) enum Handshake<T> {
    /// A session.
    Startup(Client<T>, Startup),
    /// To cancel what another connection runs.
    Cancel { pid: i32, secret: Vec<u8> },
}

/// A handshake that came to nothing.
#[derive(Debug)]
pub(super) struct Stray<T> {
    /// `None` where nothing can be told any more.
    pub(super) client: Option<Box<Client<T>>>,
    pub(super) refusal: Refusal,
}

/// The next packet of a client.
enum Packet {
    DirectTls,
    Ssl,
    GssEnc,
    Cancel { pid: i32, secret: Vec<u8> },
    Startup(Startup),
}

/// Encryption requests that have been answered: each may come once.
#[derive(Default)]
struct Answered {
    ssl: bool,
    gss: bool,
}

/// Takes the connection to the point where the client has said what it wants. `acceptor` is `None`
/// where TLS is not offered. Not cancel safe; the deadline is the caller's.
pub(super) async fn handshake<T>(
    transport: T,
    acceptor: Option<&Acceptor>,
) -> Result<Handshake<T>, Stray<T>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut client = Client::new(Stream::Plain(transport));
    let mut answered = Answered::default();
    loop {
        let packet = match client.packet().await {
            Ok(packet) => packet,
            Err(refusal) => return Err(client.stray(refusal)),
        };
        client = match packet {
            Packet::Startup(startup) => return Ok(Handshake::Startup(client, startup)),
            Packet::Cancel { pid, secret } => return Ok(Handshake::Cancel { pid, secret }),
            Packet::DirectTls => client.direct_tls(&mut answered, acceptor).await?,
            Packet::Ssl => client.ssl_request(&mut answered, acceptor).await?,
            Packet::GssEnc => client.gss_request(&mut answered).await?,
        };
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    fn stray(self, refusal: Refusal) -> Stray<T> {
        Stray {
            client: Some(Box::new(self)),
            refusal,
        }
    }

    async fn packet(&mut self) -> Result<Packet, Refusal> {
        loop {
            if self.inbox.unread().first() == Some(&TLS_HANDSHAKE) {
                return Ok(Packet::DirectTls);
            }
            if let Some((packet, bytes)) = wire::decode(self.inbox.unread())? {
                let packet = match packet {
                    StartupPacket::Ssl => Packet::Ssl,
                    StartupPacket::GssEnc => Packet::GssEnc,
                    StartupPacket::Cancel { pid, secret } => Packet::Cancel {
                        pid,
                        secret: secret.to_vec(),
                    },
                    StartupPacket::Startup(startup) => Packet::Startup(Startup::read(&startup)?),
                };
                self.inbox.take(bytes);
                return Ok(packet);
            }
            self.fill().await?;
        }
    }

    async fn gss_request(self, answered: &mut Answered) -> Result<Self, Stray<T>> {
        match self.encryption_request(&mut answered.gss) {
            Ok(()) => self.refuse_encryption().await,
            Err(refusal) => Err(self.stray(refusal)),
        }
    }

    async fn ssl_request(
        mut self,
        answered: &mut Answered,
        acceptor: Option<&Acceptor>,
    ) -> Result<Self, Stray<T>> {
        if let Err(refusal) = self.encryption_request(&mut answered.ssl) {
            return Err(self.stray(refusal));
        }
        let Some(acceptor) = acceptor else {
            return self.refuse_encryption().await;
        };
        self.out.push(b'S');
        if let Err(refusal) = self.send().await {
            return Err(self.stray(refusal));
        }
        let Stream::Plain(transport) = self.stream else {
            return Err(self.stray(Refusal::SecondEncryption));
        };
        protected(acceptor, acceptor.negotiated(transport).await)
    }

    /// The bytes that have come are the beginning of the TLS handshake.
    async fn direct_tls(
        self,
        answered: &mut Answered,
        acceptor: Option<&Acceptor>,
    ) -> Result<Self, Stray<T>> {
        let (Stream::Plain(transport), Some(acceptor), false, false) =
            (self.stream, acceptor, answered.ssl, answered.gss)
        else {
            return Err(Stray {
                client: None,
                refusal: Refusal::UnexpectedTls,
            });
        };
        answered.ssl = true;
        let first = self.inbox.into_unread();
        protected(acceptor, acceptor.direct(transport, &first).await)
    }

    /// Checks that an encryption request has its place. What comes behind it before TLS starts was
    /// sent by someone who wants it to pass for protected.
    fn encryption_request(&self, answered: &mut bool) -> Result<(), Refusal> {
        if *answered || matches!(self.stream, Stream::Tls(_)) {
            return Err(Refusal::SecondEncryption);
        }
        if !self.inbox.unread().is_empty() {
            return Err(Refusal::BytesBehindEncryptionRequest);
        }
        *answered = true;
        Ok(())
    }

    async fn refuse_encryption(mut self) -> Result<Self, Stray<T>> {
        self.out.push(b'N');
        match self.send().await {
            Ok(()) => Ok(self),
            Err(refusal) => Err(self.stray(refusal)),
        }
    }
}

fn protected<T>(
    acceptor: &Acceptor,
    accepted: std::io::Result<tokio_rustls::server::TlsStream<T>>,
) -> Result<Client<T>, Stray<T>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    match accepted {
        Ok(tls) => {
            let end_point = acceptor.end_point().as_bytes().to_vec();
            let mut client = Client::new(Stream::Tls(Box::new(tls.into())));
            client.binding = Some(ChannelBinding::TlsServerEndPoint(end_point));
            Ok(client)
        }
        Err(error) => Err(Stray {
            client: None,
            refusal: Refusal::Tls(error),
        }),
    }
}

#[cfg(test)]
mod tests;
