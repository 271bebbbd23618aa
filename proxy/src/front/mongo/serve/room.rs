//! Memory for a request whose body is long: asked for before the body is read.

use tenantsdb_codecs::mongo::bson::Document;
use tenantsdb_codecs::mongo::frame::MESSAGE_BYTES_MAX;
use tenantsdb_codecs::mongo::op_msg::Head;
use tokio::time::timeout;

use super::{End, Live, STALLED_MAX};
use crate::front::gone;
use crate::front::mongo::refuse::Refusal;
use crate::limits::bodies::FREE_BYTES;

/// What of a request is held to decide about it.
struct Front {
    head: Head,
    /// Up to the end of its body.
    bytes: usize,
}

impl Live<'_> {
    /// Waits for room for the request that has begun, if that is long. Nothing more is read from
    /// the client meanwhile. What the request before was held in is given back.
    pub(super) async fn room(&mut self) -> Result<(), End> {
        self.body = None;
        let front = timeout(STALLED_MAX, self.front()).await;
        let front = front.unwrap_or(Err(End::Client(Refusal::TooSlow)))?;
        let Some(Front { head, bytes }) = front.filter(|front| front.bytes > FREE_BYTES) else {
            return Ok(());
        };
        self.client.asked(head.header, false);
        let database = &self.proved.route.database;
        let room = self.core.context.limits.bodies.room(database, bytes);
        let room = tokio::select! {
            biased;
            room = timeout(STALLED_MAX, room) => room.ok().flatten(),
            gone = gone(self.client.stream.transport()) => {
                return Err(End::Client(Refusal::Gone(gone)));
            }
        };
        let refusal = || End::Client(Refusal::NoRoom { bytes });
        self.body = Some(room.ok_or_else(refusal)?);
        self.client.inbox.expect(bytes);
        Ok(())
    }

    /// Reads on until it is known how long the body is. `None`: it has none, or is broken, which is
    /// for whoever reads it as a whole to say.
    async fn front(&mut self) -> Result<Option<Front>, End> {
        loop {
            let unread = self.client.inbox.unread();
            match Head::read(unread, MESSAGE_BYTES_MAX) {
                Err(_) => return Ok(None),
                Ok(None) => {}
                Ok(Some(head)) => {
                    match Document::length(unread.get(head.bytes..).unwrap_or_default()) {
                        Ok(Some(body)) if head.bytes + body <= head.header.length => {
                            let bytes = head.bytes + body;
                            return Ok(Some(Front { head, bytes }));
                        }
                        Ok(None) => {}
                        _ => return Ok(None),
                    }
                }
            }
            self.fill().await?;
        }
    }
}
