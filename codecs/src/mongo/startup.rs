//! How a connection begins: hello, by OP_MSG or, of old drivers, by OP_QUERY.
//!
//! <https://www.mongodb.com/docs/manual/reference/command/hello/>, and the specifications "MongoDB
//! Handshake", "Load Balancer Support" and "Authentication" of the drivers.
//!
//! ```text
//! client  hello (isMaster)   what it is, and perhaps the first message of its login
//! server  what it is, and perhaps the answer to that message
//! ```
//!
//! The command stands in the body of OP_MSG; until a client knows that the server takes those, in
//! an [`OP_QUERY`](Query), and the reply in an [`OP_REPLY`](write_reply) then.

use super::Error;
use super::auth::SaslStart;
use super::bson::{Document, Value, Writer};

mod legacy;
mod reply;

pub use legacy::{Query, REPLY_AWAIT_CAPABLE, REPLY_QUERY_FAILURE, Reply, write_reply};
pub use reply::{HelloReply, ServerHello};

/// What a client says of itself in a hello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello<'i> {
    /// Whether the command has its old name, and wants its old answer.
    pub legacy: bool,
    /// The client takes `hello` from then on, if the server says so too.
    pub hello_ok: bool,
    /// The client thinks that it talks to a load balancer.
    pub load_balanced: bool,
    /// What it is; only in its first hello.
    pub client: Option<Client<'i>>,
    /// The user whose mechanisms it asks for: database and name.
    pub sasl_supported_mechs: Option<(&'i str, &'i str)>,
    /// The first message of its login.
    pub speculative: Option<SaslStart<'i>>,
}

impl<'i> Hello<'i> {
    /// Whether a command of this name is one.
    #[must_use]
    pub fn is(name: &str) -> bool {
        matches!(name, "hello" | "isMaster" | "ismaster")
    }

    /// Reads the command. What it says beyond this is not looked at: compression, which is not
    /// offered, and `topologyVersion`, which is not given.
    ///
    /// A `speculativeAuthenticate` that cannot be read, or is no saslStart, counts as none, as in
    /// the server: the client gets no answer to it, and begins again.
    ///
    /// # Errors
    ///
    /// An element is broken, the command has another name, `saslSupportedMechs` is no database
    /// and name, or `client` is not what the server takes.
    pub fn read(command: Document<'i>) -> Result<Self, Error> {
        let name = match command.first()? {
            Some((name, _)) if Self::is(name) => name,
            _ => return Err(Error::Invalid("hello")),
        };
        let mut hello = Self {
            legacy: name != "hello",
            ..Self::default()
        };
        for element in command.elements() {
            let element = element?;
            match (element.key, element.value()) {
                (b"helloOk", value) => hello.hello_ok = value.truthy(),
                (b"loadBalanced", value) => hello.load_balanced = value.truthy(),
                (b"client", Value::Document(client)) => {
                    hello.client = Some(Client::read(client)?);
                }
                (b"client", _) => return Err(Error::Type("client")),
                (b"saslSupportedMechs", value) => {
                    hello.sasl_supported_mechs = Some(user(&value)?);
                }
                (b"speculativeAuthenticate", Value::Document(start)) => {
                    hello.speculative = speculative(start);
                }
                _ => {}
            }
        }
        Ok(hello)
    }
}

/// `database.name`: databases have no dot, names may.
fn user<'i>(value: &Value<'i>) -> Result<(&'i str, &'i str), Error> {
    const FIELD: &str = "saslSupportedMechs";
    let text = value.as_str().ok_or(Error::Type(FIELD))?;
    let (db, name) = text.split_once('.').ok_or(Error::Invalid(FIELD))?;
    if db.is_empty() || name.is_empty() {
        return Err(Error::Invalid(FIELD));
    }
    Ok((db, name))
}

fn speculative(start: Document<'_>) -> Option<SaslStart<'_>> {
    let (name, _) = start.first().ok().flatten()?;
    if name != "saslStart" {
        return None;
    }
    SaslStart::read(start)
        .ok()
        .filter(|start| !start.db.is_empty())
}

/// What a client is: `client` of a hello. Empty what it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client<'i> {
    /// `application.name`: what its user calls it.
    pub application: &'i str,
    /// `driver.name`.
    pub driver: &'i str,
    /// `driver.version`.
    pub driver_version: &'i str,
    /// `os.type`.
    pub os: &'i str,
    /// `platform`: language and compiler.
    pub platform: &'i str,
}

/// Longest `client` in bytes: what mongod takes (`kMaxMongoDMetadataDocumentByteLength` in
/// `src/mongo/rpc/metadata/client_metadata.cpp`). Drivers keep to 512.
const CLIENT_BYTES_MAX: usize = 1_024;

/// Longest `application.name` in bytes, from there too.
const APPLICATION_BYTES_MAX: usize = 128;

impl<'i> Client<'i> {
    /// Reads the document, and holds it to what the server does.
    fn read(document: Document<'i>) -> Result<Self, Error> {
        if document.bytes().len() > CLIENT_BYTES_MAX {
            return Err(Error::MetadataTooLong(CLIENT_BYTES_MAX));
        }
        let part = |key: &'static str| match document.get(key)? {
            Some(Value::Document(part)) => Ok(Some(part)),
            Some(_) => Err(Error::Type(key)),
            None => Ok(None),
        };
        let application = match part("application")? {
            Some(application) => text(application, "name", "application.name")?,
            None => None,
        };
        let application = application.unwrap_or_default();
        if application.len() > APPLICATION_BYTES_MAX {
            return Err(Error::ApplicationName(APPLICATION_BYTES_MAX));
        }
        let driver = part("driver")?.ok_or(Error::MetadataMissing("driver"))?;
        let os = part("os")?.ok_or(Error::MetadataMissing("os"))?;
        let needed = |part, key, path| text(part, key, path)?.ok_or(Error::MetadataMissing(path));
        let platform = document.get("platform")?;
        Ok(Self {
            application,
            driver: needed(driver, "name", "driver.name")?,
            driver_version: needed(driver, "version", "driver.version")?,
            os: needed(os, "type", "os.type")?,
            platform: platform
                .and_then(|value| value.as_str())
                .unwrap_or_default(),
        })
    }
}

/// The text of this key; one that is there and is no text is an error of the field `path`.
fn text<'i>(
    document: Document<'i>,
    key: &str,
    path: &'static str,
) -> Result<Option<&'i str>, Error> {
    match document.get(key)? {
        Some(value) => value.as_str().map(Some).ok_or(Error::Type(path)),
        None => Ok(None),
    }
}

/// The hello that the proxy itself begins with, in the body of an OP_MSG.
#[derive(Clone, Copy, Debug, Default)]
pub struct HelloRequest<'a> {
    /// `application.name`; left out if empty.
    pub application: &'a str,
    /// Version of the proxy.
    pub version: &'a str,
    /// The first message of its login.
    pub speculative: Option<SaslStart<'a>>,
}

impl HelloRequest<'_> {
    /// The command.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut command = Writer::new();
        command.i32("hello", 1).bool("helloOk", true);
        command.document("client", |client| {
            if !self.application.is_empty() {
                client.document("application", |inner| {
                    inner.str("name", self.application);
                });
            }
            client.document("driver", |driver| {
                driver.str("name", "tenantsdb").str("version", self.version);
            });
            client.document("os", |os| {
                os.str("type", std::env::consts::OS);
            });
        });
        if let Some(start) = &self.speculative {
            start.write_speculative(&mut command);
        }
        command.str("$db", "admin");
        command.finish()
    }
}

#[cfg(test)]
mod tests;
