//! Commands of our own on a connection between two commands, and their confirmation.

use tenantsdb_codecs::feed::capture::Context;
use tenantsdb_codecs::limits::LOGIN_BODY_BYTES_MAX;
use tenantsdb_codecs::mysql::client::{Command, encode_command};
use tenantsdb_codecs::mysql::flags::{Capabilities, Status};
use tenantsdb_codecs::mysql::report::Report;
use tenantsdb_codecs::mysql::server::{Ok as OkPacket, text_row};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::login::refused;
use super::{Charsets, Connection, Error};
use crate::inbox::Inbox;
use crate::nonce::random_hex;

/// Bytes of the number that a reset is confirmed by.
const NUMBER_BYTES: usize = 12;
/// First byte of an OK.
const OK: u8 = 0x00;
/// First byte of an EOF, and of the OK that stands for one.
const EOF: u8 = 0xfe;

/// What a statement depends on besides its text, in the order of [`Connection::read_context`].
/// With a LIMIT of its own, whatever `sql_select_limit` is. As bytes, which the session's character
/// set for results does not touch. Switches as numbers: as text MariaDB has `ON` where MySQL has
/// `1`.
const CONTEXT: &str = "SELECT CAST(@@sql_mode AS BINARY), CAST(@@character_set_client AS BINARY), \
    CAST(@@collation_connection AS BINARY), CAST(@@foreign_key_checks + 0 AS BINARY), \
    CAST(@@default_storage_engine AS BINARY), \
    CAST(@@explicit_defaults_for_timestamp + 0 AS BINARY) LIMIT 1";

/// Makes the session's other character sets those of `collation_connection`.
const CHARSETS_OF_CONNECTION: &str = "SET character_set_client=@@character_set_connection,\
    character_set_results=@@character_set_connection";

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Makes the session as it was after its login: variables, temporary tables, locks, prepared
    /// statements and the transaction go with COM_RESET_CONNECTION, which keeps the default
    /// database and the character sets; these two are set again. All three are sent at once and
    /// must be confirmed. Last the server is asked for a number that is made for this reset: were
    /// the confirmations replies to anything else, it would not come in its place, with nothing
    /// behind. On an error the connection must be closed. Not cancel safe; the deadline is the
    /// caller's.
    ///
    /// <https://dev.mysql.com/doc/c-api/8.0/en/mysql-reset-connection.html>
    pub(crate) async fn reset(&mut self) -> Result<(), Error> {
        let mut out = Vec::new();
        encode_command(Command::RESET_CONNECTION, b"", &mut out);
        let database = self.session.database.as_bytes();
        encode_command(Command::INIT_DB, database, &mut out);
        let set = self.session.charsets.set();
        self.encode_query(&set, &mut out);
        let number = random_hex::<NUMBER_BYTES>();
        let question = format!("SELECT CAST('{number}' AS BINARY)");
        self.encode_query(&question, &mut out);
        self.send(&out).await?;
        let mut inbox = Inbox::default();
        for _ in 0..3 {
            self.confirmed(&mut inbox).await?;
        }
        let row = self.read_row(&mut inbox).await?;
        if row != [Some(number)] {
            return Err(Error::Unexpected(OK));
        }
        nothing_behind(&inbox)
    }

    /// Sets the session's character sets by the number of a collation, as a login with it does;
    /// one that the server does not have is its default there too. Only `collation_connection`
    /// takes every number: for the others MariaDB knows the default collations alone.
    pub(crate) async fn set_collation(&mut self, collation: u16) -> Result<(), Error> {
        let set = format!("SET collation_connection={collation}");
        match self.run(&set).await {
            Ok(()) => self.run(CHARSETS_OF_CONNECTION).await,
            Err(Error::Refused { .. }) => self.run("SET NAMES DEFAULT").await,
            Err(other) => Err(other),
        }
    }

    /// Runs one statement that gives no rows.
    pub(crate) async fn run(&mut self, statement: &str) -> Result<(), Error> {
        let mut out = Vec::new();
        self.encode_query(statement, &mut out);
        self.send(&out).await?;
        let mut inbox = Inbox::default();
        self.confirmed(&mut inbox).await?;
        nothing_behind(&inbox)
    }

    /// What the login made of the session's character sets.
    pub(crate) async fn read_charsets(&mut self) -> Result<Charsets, Error> {
        let row = self
            .row("SELECT @@character_set_client, @@character_set_results, @@collation_connection")
            .await?;
        let [client, results, collation] = &*row else {
            return Err(Error::Unexpected(0));
        };
        Ok(Charsets {
            client: name(client.as_deref())?,
            results: results
                .as_deref()
                .map(|text| name(Some(text)))
                .transpose()?,
            collation: name(collation.as_deref())?,
        })
    }

    /// What statements of this session depend on now. The client sees nothing of the question but
    /// in what the next statement of its own replaces: warnings, row count.
    pub(crate) async fn read_context(&mut self) -> Result<Context, Error> {
        let row = self.row(CONTEXT).await?;
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || values.next().ok_or(Error::Unexpected(0));
        Ok(Context {
            sql_mode: next()?,
            character_set_client: next()?,
            collation_connection: next()?,
            foreign_key_checks: next()? == "1",
            default_storage_engine: next()?,
            explicit_defaults_for_timestamp: next()? == "1",
        })
    }

    /// The one row of a query of ours, as text.
    async fn row(&mut self, query: &str) -> Result<Vec<Option<String>>, Error> {
        let mut out = Vec::new();
        self.encode_query(query, &mut out);
        self.send(&out).await?;
        let mut inbox = Inbox::default();
        let row = self.read_row(&mut inbox).await?;
        nothing_behind(&inbox)?;
        Ok(row)
    }

    /// The next reply must be a result set of one row.
    async fn read_row(&mut self, inbox: &mut Inbox) -> Result<Vec<Option<String>>, Error> {
        let columns = match self.packet(inbox).await? {
            body if Report::is(&body) => return Err(refused(&Report::decode(&body)?)),
            body => usize::from(body.first().copied().unwrap_or_default()),
        };
        let eof = !self
            .session
            .capabilities
            .contains(Capabilities::DEPRECATE_EOF);
        for _ in 0..columns + usize::from(eof) {
            self.packet(inbox).await?;
        }
        let body = self.packet(inbox).await?;
        if Report::is(&body) {
            return Err(refused(&Report::decode(&body)?));
        }
        let values: Result<Vec<Option<&[u8]>>, _> = text_row(&body).collect();
        let last = self.packet(inbox).await?;
        if last.first() != Some(&EOF) {
            return Err(Error::Unexpected(last.first().copied().unwrap_or_default()));
        }
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Ok(values?.into_iter().map(|value| value.map(text)).collect())
    }

    /// The next reply must be one OK, outside of a transaction, with nothing to follow.
    async fn confirmed(&mut self, inbox: &mut Inbox) -> Result<(), Error> {
        let body = self.packet(inbox).await?;
        if Report::is(&body) {
            return Err(refused(&Report::decode(&body)?));
        }
        if body.first() != Some(&OK) {
            return Err(Error::Unexpected(body.first().copied().unwrap_or_default()));
        }
        let status = OkPacket::decode(&body)?.status;
        let open = Status::IN_TRANS.union(Status::MORE_RESULTS_EXISTS);
        if status.intersection(open) != Status::NONE {
            return Err(Error::Unexpected(OK));
        }
        Ok(())
    }

    /// COM_QUERY without attributes.
    pub(crate) fn encode_query(&self, text: &str, out: &mut Vec<u8>) {
        let attributes = self
            .session
            .capabilities
            .contains(Capabilities::QUERY_ATTRIBUTES);
        // No attributes, in one set.
        let head: &[u8] = if attributes { &[0, 1] } else { &[] };
        encode_command(Command::QUERY, &[head, text.as_bytes()].concat(), out);
    }

    async fn packet(&mut self, inbox: &mut Inbox) -> Result<Vec<u8>, Error> {
        let packet = inbox.packet(&mut self.stream, LOGIN_BODY_BYTES_MAX);
        Ok(packet.await?.body.to_vec())
    }

    async fn send(&mut self, out: &[u8]) -> Result<(), Error> {
        self.stream.write_all(out).await?;
        self.stream.flush().await?;
        Ok(())
    }
}

// === impl Charsets ===

impl Charsets {
    /// The statement that makes a session's character sets these. The names are the server's own,
    /// and [`name`] has looked at them.
    fn set(&self) -> String {
        format!(
            "SET character_set_client={},character_set_results={},collation_connection={}",
            self.client,
            self.results.as_deref().unwrap_or("NULL"),
            self.collation
        )
    }
}

/// The name of a character set or collation, which goes into a statement of ours as it is.
fn name(text: Option<&str>) -> Result<Box<str>, Error> {
    let fits = |text: &&str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    text.filter(fits).map(Box::from).ok_or(Error::Unexpected(0))
}

fn nothing_behind(inbox: &Inbox) -> Result<(), Error> {
    match inbox.unread().first() {
        None => Ok(()),
        Some(byte) => Err(Error::Unexpected(*byte)),
    }
}
