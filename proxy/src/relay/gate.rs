//! What the relay asks of a protocol: how far bytes may go on, and where the session stands.

use std::error::Error;

use tenantsdb_codecs::feed::capture::Capture;

/// Whether forwarding goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Yes.
    On,
    /// The message at hand and all behind it must wait.
    Hold,
    /// The message at hand and all behind it are not to be forwarded.
    End,
}

/// What may be done with a chunk. `pass <= seen <=` its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Bytes that may be forwarded now.
    pub(crate) pass: usize,
    /// Bytes that were looked at. Those between the two are held; those behind are to be shown
    /// again.
    pub(crate) seen: usize,
    /// Why it stopped before the end of the chunk, or at it.
    pub(crate) flow: Flow,
}

/// Decides what of a direction may go on.
pub(crate) trait Gate {
    /// Why it may not.
    type Error;

    /// Looks at the next bytes.
    ///
    /// # Errors
    ///
    /// They are no messages of this direction.
    fn look(&mut self, input: &[u8]) -> Result<Look, Self::Error>;
}

/// What passes in both directions of one session.
pub(crate) trait Traffic {
    /// What is wrong with bytes that are not the protocol.
    type Error: Error + 'static;

    /// Looks at the next bytes from the client.
    ///
    /// # Errors
    ///
    /// They are no messages of a client.
    fn client_sent(&mut self, input: &[u8]) -> Result<Look, Self::Error>;

    /// Looks at the next bytes from the server.
    ///
    /// # Errors
    ///
    /// They are no messages of a server.
    fn server_sent(&mut self, input: &[u8]) -> Result<Look, Self::Error>;

    /// What control is to be told before what is held of the server's may go on. Taken once.
    fn capture(&mut self) -> Option<Capture> {
        None
    }

    /// Whether the client's next message is held because it is not for the relay.
    fn is_asked(&self) -> bool {
        false
    }

    /// Whether replies are owed.
    fn is_owed(&self) -> bool;

    /// Whether the server waits for the client, both streams between two messages, and the
    /// connection can be reset.
    fn is_settled(&self) -> bool;

    /// Whether no transaction is open, where that does not follow from [`Self::is_settled`].
    fn is_between_transactions(&self) -> bool {
        true
    }

    /// Whether the server may be at work on something.
    fn may_be_at_work(&self) -> bool;

    /// Whether all that the next client would have to know of the connection is known.
    fn is_recorded(&self) -> bool {
        true
    }

    /// Whether the server's stream stands between two messages.
    fn server_at_boundary(&self) -> bool;

    /// Whether the server's last message was an error: it has said itself why it went.
    fn server_explained(&self) -> bool;
}

/// The direction from the client.
pub(crate) struct FromClient<'g, T>(pub(crate) &'g mut T);

/// The direction from the server.
pub(crate) struct FromServer<'g, T>(pub(crate) &'g mut T);

impl<T: Traffic> Gate for FromClient<'_, T> {
    type Error = T::Error;

    fn look(&mut self, input: &[u8]) -> Result<Look, T::Error> {
        self.0.client_sent(input)
    }
}

impl<T: Traffic> Gate for FromServer<'_, T> {
    type Error = T::Error;

    fn look(&mut self, input: &[u8]) -> Result<Look, T::Error> {
        self.0.server_sent(input)
    }
}
