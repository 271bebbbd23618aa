//! Tells the client that its session begins, in the words of the server that it will talk to.

use std::time::Duration;

use tenantsdb_codecs::postgres::server::{BackendKeyData, ReadyForQuery, TransactionStatus};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::client::Client;
use super::refuse::Refusal;
use crate::back::postgres::Parameters;

/// Sends the end of the login, the server's settings, the session's cancel key and ReadyForQuery,
/// in one write, which may take `time`. Not cancel safe.
pub(super) async fn answer<T>(
    client: &mut Client<T>,
    parameters: &Parameters,
    key: BackendKeyData<'_>,
    time: Duration,
) -> Result<(), Refusal>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    client.out.extend_from_slice(parameters.messages());
    key.encode(&mut client.out)?;
    let status = TransactionStatus::Idle;
    ReadyForQuery { status }.encode(&mut client.out);
    timeout(time, client.send())
        .await
        .map_err(|_| Refusal::TooSlow)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Stream;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_listen_keeps_no_server_connection() {
        let (near, _far) = tokio::io::duplex(8);
        let mut client = Client::new(Stream::Plain(near));
        let key = BackendKeyData {
            pid: 1,
            secret: b"1234",
        };
        let time = Duration::from_secs(10);
        let answered = answer(&mut client, &Parameters::default(), key, time).await;
        assert!(matches!(answered, Err(Refusal::TooSlow)), "{answered:?}");
    }
}
