//! Tells the client that its session begins, in the words of the server that it will talk to.

use tenantsdb_codecs::postgres::server::{BackendKeyData, ReadyForQuery, TransactionStatus};
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::Client;
use super::refuse::Refusal;
use crate::back::postgres::Parameters;

/// Sends the end of the login, the server's settings, the session's cancel key and ReadyForQuery, in
/// one write. Not cancel safe.
pub(super) async fn answer<T>(
    client: &mut Client<T>,
    parameters: &Parameters,
    key: BackendKeyData<'_>,
) -> Result<(), Refusal>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    client.out.extend_from_slice(parameters.messages());
    key.encode(&mut client.out)?;
    let status = TransactionStatus::Idle;
    ReadyForQuery { status }.encode(&mut client.out);
    client.send().await
}
