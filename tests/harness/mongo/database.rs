//! One login of one MongoDB database, and the Rust driver on it.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{ClientOptions, Tls, TlsOptions};
use mongodb::{Client, Collection};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

use super::wire::Wire;
use crate::connection_string::ConnectionString;
use crate::wait;

/// What a connection string says.
#[derive(Clone, Debug)]
pub struct Database {
    /// User name; the same as the database's.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The database that knows the user.
    pub source: String,
    /// `host:port` that control printed: the first proxy's.
    pub address: String,
    /// Database name.
    pub name: String,
}

/// What a command or a login failed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The server's number, or 0 where the connection failed.
    pub code: i32,
    /// The text.
    pub text: String,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let (code, text) = match error.kind.as_ref() {
            ErrorKind::Command(command) => (command.code, command.message.clone()),
            ErrorKind::Write(WriteFailure::WriteError(write)) => {
                (write.code, write.message.clone())
            }
            _ => (0, error.to_string()),
        };
        Self { code, text }
    }
}

/// The driver's own threads, for all tests of the process.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"))
}

impl Database {
    /// Reads the connection string in an answer of control.
    ///
    /// # Panics
    ///
    /// If there is none, or it is of another form.
    #[must_use]
    #[track_caller]
    pub fn issued(connection_string: &Json) -> Self {
        let issued = ConnectionString::issued(connection_string, "mongodb");
        assert_eq!(issued.user, issued.name, "{connection_string}");
        Self {
            source: issued.name.clone(),
            user: issued.user,
            password: issued.password,
            address: issued.address,
            name: issued.name,
        }
    }

    /// The same login at another address: another proxy, or the server itself.
    #[must_use]
    pub fn at(&self, address: &str) -> Self {
        let address = address.to_owned();
        Self {
            address,
            ..self.clone()
        }
    }

    /// The same name with another password.
    #[must_use]
    pub fn with_password(&self, password: &str) -> Self {
        let password = password.to_owned();
        Self {
            password,
            ..self.clone()
        }
    }

    /// The same login, with commands for another database.
    #[must_use]
    pub fn of(&self, name: &str) -> Self {
        let name = name.to_owned();
        Self {
            name,
            ..self.clone()
        }
    }

    /// Host and port.
    ///
    /// # Panics
    ///
    /// If the address is none.
    #[must_use]
    pub fn host_port(&self) -> (&str, &str) {
        self.address.rsplit_once(':').expect("host:port")
    }

    /// The connection string, with options as `name=value` joined by `&`.
    #[must_use]
    pub fn url(&self, options: &str) -> String {
        let Self {
            user,
            password,
            source,
            address,
            name,
        } = self;
        let and = if options.is_empty() { "" } else { "&" };
        format!("mongodb://{user}:{password}@{address}/{name}?authSource={source}{and}{options}")
    }

    /// The driver with options as in a connection string, over TLS where an authority is given.
    ///
    /// # Errors
    ///
    /// None of the server's: the driver connects when it is used.
    pub async fn client(&self, options: &str, ca: Option<&Path>) -> Result<Client, Error> {
        let url = self.url(options);
        // The certificate names the host.
        let url = if ca.is_some() {
            url.replace("127.0.0.1", "localhost")
        } else {
            url
        };
        let mut options = ClientOptions::parse(url).await?;
        options.server_selection_timeout = Some(Duration::from_secs(20));
        if let Some(ca) = ca {
            let tls = TlsOptions::builder().ca_file_path(ca.to_owned()).build();
            options.tls = Some(Tls::Enabled(tls));
        }
        Client::with_options(options)
    }

    /// Work with the driver's database, with the driver's default options.
    pub fn with<T>(&self, work: impl AsyncFnOnce(mongodb::Database) -> T) -> T {
        runtime().block_on(async {
            let client = self.client("", None).await;
            let client = client.unwrap_or_else(|e| panic!("{self:?}: {e}"));
            let result = work(client.database(&self.name)).await;
            client.shutdown().immediate(true).await;
            result
        })
    }

    /// Runs one command in a session of its own.
    ///
    /// # Errors
    ///
    /// What the server, or the proxy, says.
    pub fn try_run(&self, command: Document) -> Result<Document, Failed> {
        self.with(async |db| {
            let options = mongodb::options::SelectionCriteria::ReadPreference(
                mongodb::options::ReadPreference::Primary,
            );
            db.run_command(command)
                .selection_criteria(options)
                .await
                .map_err(Failed::from)
        })
    }

    /// Runs one command in a session of its own.
    ///
    /// # Panics
    ///
    /// If it fails; also by one of the writes in it.
    #[track_caller]
    pub fn run(&self, command: Document) -> Document {
        let reply = self.try_run(command.clone());
        let reply =
            reply.unwrap_or_else(|e| panic!("{} at {}: {command}: {e}", self.user, self.address));
        assert!(!reply.contains_key("writeErrors"), "{command}: {reply}");
        reply
    }

    /// What a command is refused with.
    ///
    /// # Panics
    ///
    /// If it is not refused.
    #[track_caller]
    pub fn fails(&self, command: Document) -> Failed {
        match self.try_run(command.clone()) {
            Err(failed) => failed,
            Ok(reply) => panic!("{command} of {} gave {reply}", self.user),
        }
    }

    /// Puts documents into a collection.
    ///
    /// # Panics
    ///
    /// If they are refused.
    #[track_caller]
    pub fn insert(&self, collection: &str, documents: Vec<Document>) {
        let _ = self.run(doc! {"insert": collection, "documents": documents});
    }

    /// All documents of a collection, in order of `_id`.
    ///
    /// # Panics
    ///
    /// If they cannot be read.
    #[must_use]
    #[track_caller]
    pub fn find(&self, collection: &str) -> Vec<Document> {
        let find = doc! {"find": collection, "sort": {"_id": 1}, "batchSize": 100_000};
        batch(&self.run(find))
    }

    /// Names of the collections, in order of the alphabet, without the server's own.
    ///
    /// # Panics
    ///
    /// If they cannot be read.
    #[must_use]
    #[track_caller]
    pub fn collections(&self) -> Vec<String> {
        let reply = self
            .run(doc! {"listCollections": 1, "nameOnly": true, "cursor": {"batchSize": 10_000}});
        let name = |found: &Document| found.get_str("name").unwrap_or_default().to_owned();
        let mut names: Vec<String> = batch(&reply).iter().map(name).collect();
        names.retain(|name| !name.starts_with("system."));
        names.sort();
        names
    }

    /// A collection of the Rust driver.
    #[must_use]
    pub fn collection(db: &mongodb::Database, name: &str) -> Collection<Document> {
        db.collection(name)
    }

    /// What a login is refused with.
    ///
    /// # Panics
    ///
    /// If it is not refused.
    #[must_use]
    #[track_caller]
    pub fn refused(&self) -> Failed {
        match self.try_wire() {
            Ok(_) => panic!("{} got in at {}", self.user, self.address),
            Err(failed) => failed,
        }
    }

    /// What the login, or the command behind it, is refused with.
    ///
    /// # Panics
    ///
    /// If both are fine.
    #[must_use]
    #[track_caller]
    pub fn refused_or_fails(&self, command: &Document) -> Failed {
        let mut command = command.clone();
        command.insert("$db", &self.name);
        let run = self.try_wire().and_then(|mut wire| wire.run(&command));
        run.expect_err("this should have failed")
    }

    /// Connects in the clear and logs in, with every message in view.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub fn try_wire(&self) -> Result<Wire, Failed> {
        let wire = Wire::connect(&self.address);
        let mut wire = wire.map_err(|e| Failed {
            code: 0,
            text: e.to_string(),
        })?;
        wire.login(&self.user, &self.password, &self.source)?;
        Ok(wire)
    }

    /// Connects in the clear and logs in, with every message in view.
    ///
    /// # Panics
    ///
    /// If it is refused.
    #[must_use]
    #[track_caller]
    pub fn wire(&self) -> Wire {
        self.try_wire()
            .unwrap_or_else(|e| panic!("{} at {}: {e}", self.user, self.address))
    }

    /// Waits until the login works: a route that is on its way.
    #[must_use]
    pub fn wait_in(&self) -> Wire {
        wait::until("the login to work", || self.try_wire().ok())
    }
}

/// The documents of a reply's first or next batch.
#[must_use]
pub fn batch(reply: &Document) -> Vec<Document> {
    let cursor = reply.get_document("cursor").cloned().unwrap_or_default();
    let batch = ["firstBatch", "nextBatch"]
        .iter()
        .find_map(|key| cursor.get_array(*key).ok());
    let batch = batch.map_or(&[][..], Vec::as_slice);
    batch
        .iter()
        .filter_map(Bson::as_document)
        .cloned()
        .collect()
}
