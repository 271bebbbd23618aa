//! A logged in session, packet by packet.

use std::io::Write as _;
use std::net::Shutdown;

use super::exchange::Exchange;
use super::login::{Greeting, response};
use super::packet::{self, Cursor, capability};
use super::reply::{Failed, Refused, Reply, Row, ok};
use crate::stream::Stream;

const COM_QUERY: u8 = 0x03;
const COM_INIT_DB: u8 = 0x02;
const COM_PING: u8 = 0x0e;
const COM_CHANGE_USER: u8 = 0x11;
const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_EXECUTE: u8 = 0x17;
const COM_RESET_CONNECTION: u8 = 0x1f;

const PREPARE_OK_BYTES: usize = 12;

/// `SERVER_MORE_RESULTS_EXISTS`.
const MORE_RESULTS: u16 = 8;

/// A session. Dropping it closes the connection without a word.
pub struct Session {
    stream: Stream,
    /// What the other side greeted with.
    pub greeting: Greeting,
    capabilities: u32,
    /// How the login went: methods switched to, `fast` or `full`, the method that it ended with.
    pub methods: Vec<String>,
}

impl Session {
    pub(super) fn new(stream: Stream, greeting: Greeting, capabilities: u32) -> Self {
        Self {
            stream,
            greeting,
            capabilities,
            methods: Vec::new(),
        }
    }

    /// The id for KILL.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.greeting.connection_id
    }

    /// Whether TLS is on.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// Sends one message.
    ///
    /// # Errors
    ///
    /// The connection's.
    pub fn send(&mut self, sequence: u8, payload: &[u8]) -> std::io::Result<()> {
        self.raw(&packet::packets(sequence, payload))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// The connection's.
    pub fn raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Reads one message; the sequence number that comes next goes with it.
    ///
    /// # Errors
    ///
    /// The connection's end or failure.
    pub fn receive(&mut self) -> std::io::Result<(Vec<u8>, u8)> {
        packet::read(&mut self.stream)
    }

    /// Closes the sending side.
    pub fn shut(&self) {
        let _ = self.stream.socket().shutdown(Shutdown::Write);
    }

    /// Sends a command.
    ///
    /// # Errors
    ///
    /// The connection's.
    pub fn command(&mut self, command: u8, body: &[u8]) -> std::io::Result<()> {
        self.send(0, &[&[command], body].concat())
    }

    /// Sends COM_QUERY.
    ///
    /// # Errors
    ///
    /// The connection's.
    pub fn ask(&mut self, sql: &str) -> std::io::Result<()> {
        self.command(COM_QUERY, sql.as_bytes())
    }

    /// Reads one result: the reply, and whether another follows.
    ///
    /// # Errors
    ///
    /// ERR, or the connection's.
    ///
    /// # Panics
    ///
    /// On a request for a file.
    pub fn result(&mut self) -> Result<(Reply, bool), Refused> {
        let (first, _) = self.receive()?;
        match first[0] {
            0xff => Err(Refused::Error(Failed::parse(&first))),
            0 => {
                let (affected, status, warnings) = ok(&first);
                Ok((
                    Reply::Done { affected, warnings },
                    status & MORE_RESULTS != 0,
                ))
            }
            0xfb => panic!(
                "asked for a file: {:?}",
                String::from_utf8_lossy(&first[1..])
            ),
            _ => {
                let columns = Cursor(&first).lenenc().expect("a number");
                let (rows, more) = self.rows_of(columns)?;
                Ok((Reply::Rows(rows), more))
            }
        }
    }

    fn rows_of(&mut self, columns: u64) -> Result<(Vec<Row>, bool), Refused> {
        let short = self.capabilities & capability::DEPRECATE_EOF != 0;
        for _ in 0..columns {
            self.receive()?;
        }
        if !short {
            self.receive()?;
        }
        let mut rows = Vec::new();
        loop {
            let (row, _) = self.receive()?;
            match row[0] {
                0xff => return Err(Refused::Error(Failed::parse(&row))),
                0xfe if short && row.len() < packet::PAYLOAD_BYTES_MAX => {
                    return Ok((rows, ok(&row).1 & MORE_RESULTS != 0));
                }
                0xfe if !short && row.len() < 9 => {
                    let mut cursor = Cursor(&row[3..]);
                    return Ok((rows, cursor.number(2) & u64::from(MORE_RESULTS) != 0));
                }
                _ => {
                    let mut cursor = Cursor(&row);
                    let value = |_| cursor.text().map(<[u8]>::to_vec);
                    rows.push((0..columns).map(value).collect());
                }
            }
        }
    }

    /// Reads every result of a command.
    ///
    /// # Errors
    ///
    /// ERR, or the connection's.
    pub fn results(&mut self) -> Result<Vec<Reply>, Refused> {
        let mut replies = Vec::new();
        loop {
            let (reply, more) = self.result()?;
            replies.push(reply);
            if !more {
                return Ok(replies);
            }
        }
    }

    /// Runs SQL and reads every result.
    ///
    /// # Errors
    ///
    /// ERR, or the connection's.
    pub fn try_query(&mut self, sql: &str) -> Result<Vec<Reply>, Refused> {
        self.ask(sql)?;
        self.results()
    }

    /// Runs SQL that succeeds.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[track_caller]
    pub fn query(&mut self, sql: &str) -> Vec<Reply> {
        match self.try_query(sql) {
            Ok(replies) => replies,
            Err(e) => panic!("{sql:.200}: {e:?}"),
        }
    }

    /// Rows as text; NULL is `NULL`.
    ///
    /// # Panics
    ///
    /// If the query fails, or gives no rows.
    #[must_use]
    #[track_caller]
    pub fn rows(&mut self, sql: &str) -> Vec<Vec<String>> {
        let replies = self.query(sql);
        let Some(Reply::Rows(rows)) = replies.first() else {
            panic!("no rows: {sql}: {replies:?}");
        };
        rows.iter()
            .map(|row| row.iter().map(text).collect())
            .collect()
    }

    /// The first column of the only row.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[must_use]
    #[track_caller]
    pub fn one(&mut self, sql: &str) -> String {
        let rows = self.rows(sql);
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows[0][0].clone()
    }

    /// The error of SQL that fails.
    ///
    /// # Panics
    ///
    /// If it succeeds, or the connection ends without a word.
    #[must_use]
    #[track_caller]
    pub fn fails(&mut self, sql: &str) -> Failed {
        match self.try_query(sql) {
            Ok(replies) => panic!("this should have failed: {sql}: {replies:?}"),
            Err(e) => e.failed(),
        }
    }

    /// A command with a simple answer: COM_PING, COM_INIT_DB, COM_RESET_CONNECTION.
    ///
    /// # Errors
    ///
    /// ERR, or the connection's.
    pub fn simple(&mut self, command: u8, body: &[u8]) -> Result<Reply, Refused> {
        self.command(command, body)?;
        Ok(self.result()?.0)
    }

    /// COM_PING.
    ///
    /// # Errors
    ///
    /// As [`Self::simple`]; so the next two.
    pub fn ping(&mut self) -> Result<Reply, Refused> {
        self.simple(COM_PING, b"")
    }

    /// COM_INIT_DB.
    ///
    /// # Errors
    ///
    /// As [`Self::simple`].
    pub fn init_db(&mut self, database: &str) -> Result<Reply, Refused> {
        self.simple(COM_INIT_DB, database.as_bytes())
    }

    /// COM_RESET_CONNECTION.
    ///
    /// # Errors
    ///
    /// As [`Self::simple`].
    pub fn reset(&mut self) -> Result<Reply, Refused> {
        self.simple(COM_RESET_CONNECTION, b"")
    }

    /// COM_CHANGE_USER.
    ///
    /// # Errors
    ///
    /// As [`Self::simple`].
    pub fn change_user(
        &mut self,
        user: &str,
        password: &str,
        database: &str,
    ) -> Result<(), Refused> {
        let mut exchange = Exchange {
            plugin: self.greeting.plugin.clone(),
            nonce: self.greeting.nonce.clone(),
        };
        let proof = response(&exchange.plugin, password, &exchange.nonce);
        let length = u8::try_from(proof.len()).expect("a hash is short");
        let mut body = [
            user.as_bytes(),
            &[0, length],
            &proof,
            database.as_bytes(),
            &[0],
        ]
        .concat();
        body.extend_from_slice(&[super::login::UTF8MB4, 0]);
        body.extend_from_slice(exchange.plugin.as_bytes());
        body.push(0);
        self.command(COM_CHANGE_USER, &body)?;
        exchange.finish(self, password)
    }

    /// COM_STMT_PREPARE: the statement's number.
    ///
    /// # Errors
    ///
    /// ERR, or the connection's.
    pub fn prepare(&mut self, sql: &str) -> Result<u32, Refused> {
        self.command(COM_STMT_PREPARE, sql.as_bytes())?;
        let (first, _) = self.receive()?;
        if first[0] == 0xff {
            return Err(Refused::Error(Failed::parse(&first)));
        }
        // MySQL 9 says OK where it denies SET GLOBAL, and has prepared nothing.
        if first.len() < PREPARE_OK_BYTES {
            return Ok(0);
        }
        let mut cursor = Cursor(&first[1..]);
        let id = u32::try_from(cursor.number(4)).expect("four bytes");
        let columns = cursor.number(2);
        let parameters = cursor.number(2);
        let short = self.capabilities & capability::DEPRECATE_EOF != 0;
        for count in [parameters, columns] {
            let end = u64::from(count > 0 && !short);
            for _ in 0..count + end {
                self.receive()?;
            }
        }
        Ok(id)
    }

    /// COM_STMT_EXECUTE without parameters; rows are left unread.
    ///
    /// # Errors
    ///
    /// The connection's.
    pub fn execute(&mut self, statement: u32) -> std::io::Result<()> {
        let mut body = statement.to_le_bytes().to_vec();
        // No cursor; executed once.
        body.extend_from_slice(&[0, 1, 0, 0, 0]);
        self.command(COM_STMT_EXECUTE, &body)
    }

    /// Reads a result without looking at its rows, such as those of a prepared statement; says how
    /// many there were.
    ///
    /// # Errors
    ///
    /// ERR, or the connection's.
    pub fn drain(&mut self) -> Result<usize, Refused> {
        let (first, _) = self.receive()?;
        match first[0] {
            0xff => return Err(Refused::Error(Failed::parse(&first))),
            0 => return Ok(0),
            _ => {}
        }
        let short = self.capabilities & capability::DEPRECATE_EOF != 0;
        let mut ends = if short { 1 } else { 2 };
        let mut rows = 0;
        loop {
            let (message, _) = self.receive()?;
            match message[0] {
                0xff => return Err(Refused::Error(Failed::parse(&message))),
                0xfe => ends -= 1,
                // Definitions of columns begin with the length of `def`.
                0 => rows += 1,
                _ => {}
            }
            if ends == 0 {
                return Ok(rows);
            }
        }
    }
}

fn text(value: &Option<Vec<u8>>) -> String {
    let text = value.as_deref().map(String::from_utf8_lossy);
    text.map_or("NULL".to_owned(), std::borrow::Cow::into_owned)
}
