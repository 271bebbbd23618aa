//! From our greeting to the client's HandshakeResponse.
//!
//! ```text
//! greeting ─►
//! ◄ SSLRequest, TLS             once, where it was offered; the bytes behind the request *are* the
//! ◄ HandshakeResponse           ClientHello. The response is read from inside TLS only
//! ```

use tenantsdb_codecs::limits::MYSQL_LOGIN_BYTES_MAX;
use tenantsdb_codecs::mysql::Flavour;
use tenantsdb_codecs::mysql::flags::{Capabilities, Status};
use tenantsdb_codecs::mysql::startup::{
    ClientStart, Greeting, HandshakeResponse, NONCE_BYTES, Nonce, decode_client_start,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::Client;
use super::offer::{offer, plugin};
use super::refuse::Refusal;
use crate::nonce::random;
use crate::stream::Stream;
use crate::tls::accept::Acceptor;

/// Longest of a client's attributes that is kept, in bytes: its program's name.
const PROGRAM_BYTES_MAX: usize = 64;

/// What we greet with.
#[derive(Debug)]
pub(super) struct Door<'a> {
    pub(super) flavour: Flavour,
    /// The lowest version among its servers.
    pub(super) version: &'a str,
    /// What the client is told as its connection id.
    pub(super) id: u32,
    pub(super) acceptor: Option<&'a Acceptor>,
}

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Startup {
    /// What it can do of what was offered.
    pub(super) capabilities: Capabilities,
    pub(super) collation: u8,
    pub(super) user: String,
    /// The user's name where it named none.
    pub(super) database: String,
    /// What the client calls itself.
    pub(super) program: String,
    /// The plugin that it answered with; `None` from a client that knows no plugins.
    pub(super) plugin: Option<String>,
    /// Its answer to the nonce.
    pub(super) proof: Vec<u8>,
    /// What it answered to.
    pub(super) nonce: Nonce,
}

/// A handshake that came to nothing.
#[derive(Debug)]
pub(super) struct Stray<T> {
    /// `None` where nothing can be told any more.
    pub(super) client: Option<Box<Client<T>>>,
    pub(super) refusal: Refusal,
}

/// A client that has been greeted.
#[derive(Debug)]
pub(super) struct Greeted<T> {
    client: Client<T>,
    nonce: Nonce,
    offered: Capabilities,
}

/// Greets a client. Not cancel safe.
pub(super) async fn greet<T>(transport: T, door: &Door<'_>) -> Result<Greeted<T>, Refusal>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut client = Client::new(Stream::Plain(transport));
    let offered = offer(door.flavour, door.version, door.acceptor.is_some());
    let nonce = printable_nonce();
    let greeting = Greeting {
        version: door.version,
        thread_id: door.id,
        nonce,
        capabilities: offered,
        collation: match door.flavour {
            Flavour::MySql => UTF8MB4_0900_AI_CI,
            Flavour::MariaDb => UTF8MB4_GENERAL_CI,
        },
        status: Status::AUTOCOMMIT,
        plugin: plugin(door.flavour),
    };
    greeting.encode(&mut client.sequence, &mut client.out)?;
    client.send().await?;
    Ok(Greeted {
        client,
        nonce,
        offered,
    })
}

/// `utf8mb4_0900_ai_ci`, MySQL's own default; clients choose theirs.
const UTF8MB4_0900_AI_CI: u8 = 255;
/// `utf8mb4_general_ci`, MariaDB's own default.
const UTF8MB4_GENERAL_CI: u8 = 45;

// === impl Greeted ===

impl<T: AsyncRead + AsyncWrite + Unpin> Greeted<T> {
    /// The client's transport, before it has said anything.
    pub(super) fn transport(&self) -> &T {
        self.client.stream.transport()
    }

    /// A client that is told why it cannot go on.
    pub(super) fn into_client(self) -> Client<T> {
        self.client
    }

    /// Waits for what the client wants. Not cancel safe; the deadline is the caller's.
    pub(super) async fn startup(
        self,
        acceptor: Option<&Acceptor>,
    ) -> Result<(Client<T>, Startup), Stray<T>> {
        let Self {
            mut client,
            nonce,
            offered,
        } = self;
        let body = match client.packet(MYSQL_LOGIN_BYTES_MAX).await {
            Ok(body) => body,
            Err(refusal) => return Err(client.stray(refusal)),
        };
        let (client, body) = match decode_client_start(&body) {
            Ok(ClientStart::Ssl(_)) => {
                let mut client = client.encrypt(acceptor).await?;
                match client.packet(MYSQL_LOGIN_BYTES_MAX).await {
                    Ok(body) => (client, body),
                    Err(refusal) => return Err(client.stray(refusal)),
                }
            }
            Ok(ClientStart::Response(_)) => (client, body),
            Err(error) => return Err(client.stray(error.into())),
        };
        match decode_client_start(&body).map_err(Refusal::from) {
            Ok(ClientStart::Response(response)) => match read(&response, offered, nonce) {
                Ok(startup) => Ok((client, startup)),
                Err(refusal) => Err(client.stray(refusal)),
            },
            Ok(ClientStart::Ssl(_)) => Err(client.stray(Refusal::SecondEncryption)),
            Err(refusal) => Err(client.stray(refusal)),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    pub(super) fn stray(self, refusal: Refusal) -> Stray<T> {
        Stray {
            client: Some(Box::new(self)),
            refusal,
        }
    }

    /// The client has said that TLS begins, and may have begun it.
    async fn encrypt(self, acceptor: Option<&Acceptor>) -> Result<Self, Stray<T>> {
        let Some(acceptor) = acceptor else {
            return Err(self.stray(Refusal::UnexpectedTls));
        };
        let Stream::Plain(transport) = self.stream else {
            return Err(self.stray(Refusal::SecondEncryption));
        };
        let first = self.inbox.into_unread();
        match acceptor.behind_request(transport, &first).await {
            Ok(tls) => {
                let mut client = Self::new(Stream::Tls(Box::new(tls.into())));
                client.sequence = self.sequence;
                Ok(client)
            }
            Err(error) => Err(Stray {
                client: None,
                refusal: Refusal::Tls(error),
            }),
        }
    }
}

fn read(
    response: &HandshakeResponse<'_>,
    offered: Capabilities,
    nonce: Nonce,
) -> Result<Startup, Refusal> {
    let capabilities = response.capabilities.intersection(offered);
    if !capabilities.contains(Capabilities::SECURE_CONNECTION) {
        return Err(Refusal::OldAuthentication);
    }
    let user = response.user.to_owned();
    let database = match response.database {
        Some(database) if !database.is_empty() => database.to_owned(),
        _ => user.clone(),
    };
    let program = response.attributes.get("program_name");
    let mut program = String::from_utf8_lossy(program.unwrap_or_default()).into_owned();
    program.truncate(program.floor_char_boundary(PROGRAM_BYTES_MAX));
    Ok(Startup {
        capabilities,
        collation: response.collation,
        user,
        database,
        program,
        plugin: response.plugin.map(str::to_owned),
        proof: response.auth.to_vec(),
        nonce,
    })
}

/// Random bytes that no client takes for the end of a text: the server's own are printable too
/// (`generate_user_salt` in `mysys/crypt_genhash_impl.cc`).
pub(super) fn printable_nonce() -> Nonce {
    random::<NONCE_BYTES>().map(|byte| match byte & 0x7f {
        0 | b'$' => b'!',
        other => other,
    })
}

#[cfg(test)]
mod tests;
