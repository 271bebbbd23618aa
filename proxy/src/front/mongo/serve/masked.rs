//! A reply that says what the server is called, and must not.

use tenantsdb_codecs::mongo::Error as ProtocolError;
use tenantsdb_codecs::mongo::mask;
use tenantsdb_codecs::mongo::op_msg::{Head, Message};

use super::{Live, note_reply};
use crate::front::gone;
use crate::relay::mongo::{self as relay, Broken};

impl Live<'_> {
    /// Waits for the reply to the request of this number, and gives the client the same with
    /// another name. It is held for that: one document, of at most 16 MiB.
    pub(super) async fn masked(&mut self, head: Head, id: i32) -> Result<(), Broken> {
        let Some(pooled) = &mut self.server else {
            return Ok(());
        };
        let client = &mut self.client;
        let held = tokio::select! {
            biased;
            held = relay::hold(&mut pooled.connection, id) => held,
            gone = gone(client.stream.transport()) => return Err(Broken::ClientGone(gone)),
        };
        let message = held.map_err(|error| Broken::Server {
            error,
            begun: false,
        })?;
        let broken = |error: ProtocolError| Broken::Server {
            error: error.into(),
            begun: false,
        };
        let reply = Message::read(&message).map_err(broken)?;
        let body = mask::reply(reply.body).map_err(broken)?;
        let (what, id) = ((&reply, &*body), head.header.request_id);
        relay::let_go(&mut client.stream, what, id, &mut self.moved).await?;
        client.unanswered();
        self.unconfirmed = false;
        note_reply((&mut self.exchange, &self.member), reply.body, false)
    }
}
