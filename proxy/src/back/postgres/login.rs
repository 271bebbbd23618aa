//! Logs in to a server as the role that the client has proved to be, with the key that its proof
//! revealed.
//!
//! ```text
//! StartupMessage ─► AuthenticationSASL ─► …Continue ─► …Final ─► Ok ─► S* K Z
//! ```

use tenantsdb_codecs::limits::{AUTH_BODY_BYTES_MAX, LOGIN_BODY_BYTES_MAX};
use tenantsdb_codecs::postgres::auth::{self, Request, encode_sasl_initial, encode_sasl_response};
use tenantsdb_codecs::postgres::report::Fields;
use tenantsdb_codecs::postgres::server::{
    BackendKeyData, ParameterStatus, ReadyForQuery, TransactionStatus,
};
use tenantsdb_codecs::postgres::startup::{ProtocolVersion, encode_startup};
use tenantsdb_codecs::postgres::tag::ServerTag;
use tenantsdb_codecs::scram::channel::ChannelBinding;
use tenantsdb_codecs::scram::client::Exchange;
use tenantsdb_codecs::scram::{self, Credential};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsStream;

use super::{CancelKey, Connection, Error, Parameters, Refused};
use crate::inbox::Inbox;
use crate::nonce::nonce;
use crate::stream::Stream;
use crate::tls::dial::end_point;

/// Who logs in, and with what settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) database: &'a str,
    pub(crate) user: &'a str,
    /// Startup parameters other than these two.
    pub(crate) settings: &'a [(String, String)],
    pub(crate) credential: Credential<'a>,
}

/// A login under way.
struct Login<'a, T> {
    stream: &'a mut Stream<T>,
    inbox: Inbox,
    out: Vec<u8>,
}

/// Logs in. Not cancel safe: dropped before it is done, the connection is of no use and is closed
/// with the stream. The deadline is the caller's.
pub(crate) async fn login<T>(
    mut stream: Stream<T>,
    identity: Identity<'_>,
) -> Result<Connection<T>, Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut login = Login {
        stream: &mut stream,
        inbox: Inbox::default(),
        out: Vec::new(),
    };
    login.start(identity).await?;
    login.authenticate(identity.credential).await?;
    let (parameters, key) = login.settle().await?;
    Ok(Connection {
        stream,
        parameters,
        key,
    })
}

impl<T: AsyncRead + AsyncWrite + Unpin> Login<'_, T> {
    async fn start(&mut self, identity: Identity<'_>) -> Result<(), Error> {
        let names = [("user", identity.user), ("database", identity.database)];
        let settings = identity
            .settings
            .iter()
            .map(|(name, value)| (&**name, &**value));
        let parameters = names.into_iter().chain(settings);
        encode_startup(ProtocolVersion::V3_0, parameters, &mut self.out)?;
        self.send().await
    }

    async fn send(&mut self) -> Result<(), Error> {
        self.stream.write_all(&self.out).await?;
        self.stream.flush().await?;
        self.out.clear();
        Ok(())
    }

    /// Up to AuthenticationOk.
    async fn authenticate(&mut self, credential: Credential<'_>) -> Result<(), Error> {
        let body = self.authentication().await?;
        let binding = match auth::decode_request(&body)? {
            // The server trusts this address. Whether it should is its administrator's decision.
            Request::Ok => return Ok(()),
            Request::Sasl(mechanisms) => mechanisms.contains(scram::SHA_256_PLUS),
            _ => return Err(Error::Method),
        };
        let binding = if binding {
            self.channel_binding()
        } else {
            None
        };
        let (exchange, first) = Exchange::new(nonce(), binding);
        encode_sasl_initial(exchange.mechanism(), &first, &mut self.out)?;
        self.send().await?;

        let body = self.authentication().await?;
        let Request::SaslContinue(first) = auth::decode_request(&body)? else {
            return Err(Error::Method);
        };
        let (exchange, last) = exchange.first(first, &credential)?;
        encode_sasl_response(&last, &mut self.out)?;
        self.send().await?;

        let body = self.authentication().await?;
        let Request::SaslFinal(last) = auth::decode_request(&body)? else {
            return Err(Error::Method);
        };
        exchange.finish(last)?;
        match auth::decode_request(&self.authentication().await?)? {
            Request::Ok => Ok(()),
            _ => Err(Error::Method),
        }
    }

    /// The body of the next Authentication message.
    async fn authentication(&mut self) -> Result<Vec<u8>, Error> {
        loop {
            let message = self
                .inbox
                .message(self.stream, LOGIN_BODY_BYTES_MAX)
                .await?;
            match ServerTag(message.tag) {
                ServerTag::AUTHENTICATION if message.body.len() <= AUTH_BODY_BYTES_MAX => {
                    return Ok(message.body.to_vec());
                }
                ServerTag::NOTICE_RESPONSE => {}
                ServerTag::ERROR_RESPONSE => return Err(refused(message.body)),
                _ => return Err(Error::Unexpected(message.tag)),
            }
        }
    }

    fn channel_binding(&self) -> Option<ChannelBinding> {
        let Stream::Tls(tls) = &*self.stream else {
            return None;
        };
        let TlsStream::Client(tls) = &**tls else {
            return None;
        };
        let end_point = end_point(tls)?;
        Some(ChannelBinding::TlsServerEndPoint(
            end_point.as_bytes().to_vec(),
        ))
    }

    /// From AuthenticationOk to ReadyForQuery.
    async fn settle(&mut self) -> Result<(Parameters, CancelKey), Error> {
        let mut parameters = Parameters::default();
        let mut key = None;
        loop {
            let message = self
                .inbox
                .message(self.stream, LOGIN_BODY_BYTES_MAX)
                .await?;
            match ServerTag(message.tag) {
                ServerTag::PARAMETER_STATUS => {
                    parameters.set(&ParameterStatus::decode(message.body)?);
                }
                ServerTag::BACKEND_KEY_DATA => {
                    let data = BackendKeyData::decode(message.body)?;
                    key = Some(CancelKey {
                        pid: data.pid,
                        secret: data.secret.into(),
                    });
                }
                ServerTag::READY_FOR_QUERY => {
                    let ready = ReadyForQuery::decode(message.body)?;
                    let idle = ready.status == TransactionStatus::Idle;
                    return match key {
                        Some(key) if idle && self.inbox.unread().is_empty() => {
                            Ok((parameters, key))
                        }
                        _ => Err(Error::Unexpected(ServerTag::READY_FOR_QUERY.0)),
                    };
                }
                ServerTag::NOTICE_RESPONSE => {}
                ServerTag::ERROR_RESPONSE => return Err(refused(message.body)),
                _ => return Err(Error::Unexpected(message.tag)),
            }
        }
    }
}

/// The server's own error.
pub(super) fn refused(body: &[u8]) -> Error {
    let fields = Fields::new(body);
    Error::Refused(Refused {
        sqlstate: fields.sqlstate(),
        message: fields.message().map(Box::from),
        body: body.into(),
    })
}

#[cfg(test)]
mod tests;
