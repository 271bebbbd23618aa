//! Commands of a client: what capture looks into, and those that the proxy sends itself.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html>
//!
//! The first byte of the body is the command. Each begins a new exchange, with sequence number 0.

use std::fmt;

use super::Error;
use super::error::text;
use super::flags::Capabilities;
use super::frame::Packet;
use super::startup::{self, Attributes};
use crate::cursor::Cursor;

mod query;

pub use query::query_text;

/// First byte of a command.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Command(pub u8);

impl Command {
    /// COM_QUIT: the client goes.
    pub const QUIT: Self = Self(0x01);
    /// COM_INIT_DB: another default database.
    pub const INIT_DB: Self = Self(0x02);
    /// COM_QUERY: statements as text.
    pub const QUERY: Self = Self(0x03);
    /// COM_FIELD_LIST: the columns of a table.
    pub const FIELD_LIST: Self = Self(0x04);
    /// COM_REFRESH: FLUSH of something.
    pub const REFRESH: Self = Self(0x07);
    /// COM_SHUTDOWN
    pub const SHUTDOWN: Self = Self(0x08);
    /// COM_STATISTICS: one line about the server.
    pub const STATISTICS: Self = Self(0x09);
    /// COM_PROCESS_INFO: SHOW PROCESSLIST. Gone from MySQL 9.
    pub const PROCESS_INFO: Self = Self(0x0a);
    /// COM_PROCESS_KILL: end another session. Gone from MySQL 9.
    pub const PROCESS_KILL: Self = Self(0x0c);
    /// COM_DEBUG: the server writes to its log.
    pub const DEBUG: Self = Self(0x0d);
    /// COM_PING
    pub const PING: Self = Self(0x0e);
    /// COM_CHANGE_USER: log in again on the same connection.
    pub const CHANGE_USER: Self = Self(0x11);
    /// COM_BINLOG_DUMP: replication.
    pub const BINLOG_DUMP: Self = Self(0x12);
    /// COM_TABLE_DUMP: replication.
    pub const TABLE_DUMP: Self = Self(0x13);
    /// COM_REGISTER_SLAVE: replication.
    pub const REGISTER_SLAVE: Self = Self(0x15);
    /// COM_STMT_PREPARE
    pub const STMT_PREPARE: Self = Self(0x16);
    /// COM_STMT_EXECUTE
    pub const STMT_EXECUTE: Self = Self(0x17);
    /// COM_STMT_SEND_LONG_DATA: a piece of a parameter; not answered.
    pub const STMT_SEND_LONG_DATA: Self = Self(0x18);
    /// COM_STMT_CLOSE: not answered.
    pub const STMT_CLOSE: Self = Self(0x19);
    /// COM_STMT_RESET: forget long data and cursor of a statement.
    pub const STMT_RESET: Self = Self(0x1a);
    /// COM_SET_OPTION: multi-statements on or off.
    pub const SET_OPTION: Self = Self(0x1b);
    /// COM_STMT_FETCH: rows of a cursor.
    pub const STMT_FETCH: Self = Self(0x1c);
    /// COM_BINLOG_DUMP_GTID: replication.
    pub const BINLOG_DUMP_GTID: Self = Self(0x1e);
    /// COM_RESET_CONNECTION: the session as it was after login.
    pub const RESET_CONNECTION: Self = Self(0x1f);
    /// COM_STMT_BULK_EXECUTE of MariaDB.
    pub const STMT_BULK_EXECUTE: Self = Self(0xfa);

    /// The command that this message is, by its first bytes; `None` if it is empty.
    #[must_use]
    pub fn of(start: &[u8]) -> Option<Self> {
        start.first().map(|byte| Self(*byte))
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({:#04x})", self.0)
    }
}

/// Appends a command, in as many packets as it takes.
pub fn encode_command(command: Command, payload: &[u8], out: &mut Vec<u8>) {
    let mut sequence = 0;
    let mut packet = Packet::new(&mut sequence, out);
    packet.u8(command.0);
    packet.bytes(payload);
    packet.finish();
}

/// What is behind the first byte, which must be this command.
fn payload(body: &[u8], command: Command) -> Result<Cursor<'_>, Error> {
    match body.split_first() {
        Some((byte, rest)) if *byte == command.0 => Ok(Cursor::new(rest)),
        Some(_) => Err(Error::Invalid("command")),
        None => Err(Error::Truncated("command")),
    }
}

/// Reads the body of a COM_INIT_DB: the name of the database.
///
/// # Errors
///
/// Another command, or not UTF-8.
pub fn init_db(body: &[u8]) -> Result<&str, Error> {
    let name = payload(body, Command::INIT_DB)?.rest();
    // Some clients end it with a zero byte, and the server stops there.
    let name = name.split(|byte| *byte == 0).next();
    text(name, "database name")
}

/// Reads the body of a COM_PROCESS_KILL: the id of the session.
///
/// # Errors
///
/// Another command, or fewer than four bytes.
pub fn process_kill(body: &[u8]) -> Result<u32, Error> {
    let mut cursor = payload(body, Command::PROCESS_KILL)?;
    cursor.u32_le().ok_or(Error::Truncated("thread id"))
}

/// Appends a COM_PROCESS_KILL.
pub fn encode_process_kill(thread_id: u32, out: &mut Vec<u8>) {
    encode_command(Command::PROCESS_KILL, &thread_id.to_le_bytes(), out);
}

/// Reads the body of a COM_STMT_PREPARE: one statement, in the session's character set.
///
/// # Errors
///
/// Another command.
pub fn prepare_text(body: &[u8]) -> Result<&[u8], Error> {
    payload(body, Command::STMT_PREPARE).map(|cursor| cursor.rest())
}

/// The statement that a command is about, by its first bytes: COM_STMT_EXECUTE, FETCH, CLOSE,
/// RESET, SEND_LONG_DATA and BULK_EXECUTE begin alike. On MariaDB the id 0xFFFFFFFF stands for the
/// one that was prepared last.
///
/// # Errors
///
/// Another command, or fewer than four bytes behind it.
pub fn statement_id(start: &[u8]) -> Result<u32, Error> {
    let command = Command::of(start).ok_or(Error::Truncated("command"))?;
    match command {
        Command::STMT_EXECUTE
        | Command::STMT_FETCH
        | Command::STMT_CLOSE
        | Command::STMT_RESET
        | Command::STMT_SEND_LONG_DATA
        | Command::STMT_BULK_EXECUTE => {}
        _ => return Err(Error::Invalid("command")),
    }
    let mut cursor = payload(start, command)?;
    cursor.u32_le().ok_or(Error::Truncated("statement id"))
}

/// Appends a COM_STMT_CLOSE.
pub fn encode_statement_close(id: u32, out: &mut Vec<u8>) {
    encode_command(Command::STMT_CLOSE, &id.to_le_bytes(), out);
}

/// Head of a COM_STMT_EXECUTE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StmtExecute {
    /// The prepared statement.
    pub id: u32,
    /// What cursor is wanted, if any, and whether a parameter count is sent:
    /// `enum_cursor_type` in `include/mysql_com.h`.
    pub flags: u8,
}

impl StmtExecute {
    /// A cursor is wanted: read only, for update, or scrollable.
    pub const CURSORS: u8 = 0x07;

    /// Reads it from the first bytes of the body; parameters are not looked at.
    ///
    /// # Errors
    ///
    /// Another command, or fewer bytes.
    pub fn decode(start: &[u8]) -> Result<Self, Error> {
        let mut cursor = payload(start, Command::STMT_EXECUTE)?;
        let id = cursor.u32_le().ok_or(Error::Truncated("statement id"))?;
        let flags = cursor.u8().ok_or(Error::Truncated("cursor type"))?;
        cursor.u32_le().ok_or(Error::Truncated("iteration count"))?;
        Ok(Self { id, flags })
    }
}

/// COM_CHANGE_USER: a second login on the same connection, by the nonce of its greeting or by a new
/// one.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_change_user.html>
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChangeUser<'a> {
    /// Name of the account.
    pub user: &'a str,
    /// First message of the plugin: a proof, or nothing.
    pub auth: &'a [u8],
    /// Default database; empty for none.
    pub database: &'a str,
    /// Collation of the session, by its number; `None` if the message ends before it.
    pub collation: Option<u16>,
    /// Plugin that `auth` is of, if the message names one.
    pub plugin: Option<&'a str>,
    /// What the client says of itself.
    pub attributes: Attributes<'a>,
}

impl<'a> ChangeUser<'a> {
    /// Reads the body of the command, by the capabilities that the client logged in with.
    ///
    /// # Errors
    ///
    /// Another command or layout, user or database that are not UTF-8.
    pub fn decode(body: &'a [u8], capabilities: Capabilities) -> Result<Self, Error> {
        let mut cursor = payload(body, Command::CHANGE_USER)?;
        let user = text(cursor.c_string(), "user name")?;
        let auth = startup::take_auth(capabilities, &mut cursor)?;
        let database = text(cursor.c_string(), "database name")?;
        let mut change = Self {
            user,
            auth,
            database,
            collation: None,
            plugin: None,
            attributes: Attributes::default(),
        };
        if cursor.is_empty() {
            return Ok(change);
        }
        let collation = cursor.u16_le().ok_or(Error::Truncated("collation"))?;
        change.collation = Some(collation);
        change.plugin = startup::take_plugin(capabilities, &mut cursor)?;
        if capabilities.contains(Capabilities::CONNECT_ATTRS) && !cursor.is_empty() {
            change.attributes = Attributes::take(&mut cursor)?;
        }
        Ok(change)
    }

    /// Appends the command as a client with these capabilities sends it. Without a collation
    /// nothing behind it is written.
    ///
    /// # Errors
    ///
    /// A zero byte in user, database or plugin, or more bytes in `auth` than the flags allow.
    pub fn encode(&self, capabilities: Capabilities, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut sequence = 0;
        let mut packet = Packet::new(&mut sequence, out);
        packet.u8(Command::CHANGE_USER.0);
        packet.c_string(self.user.as_bytes(), "user name")?;
        startup::write_auth(capabilities, self.auth, &mut packet)?;
        packet.c_string(self.database.as_bytes(), "database name")?;
        if let Some(collation) = self.collation {
            packet.u16(collation);
            if capabilities.contains(Capabilities::PLUGIN_AUTH) {
                let plugin = self.plugin.unwrap_or_default();
                packet.c_string(plugin.as_bytes(), "plugin name")?;
            }
            if capabilities.contains(Capabilities::CONNECT_ATTRS) {
                packet.string(self.attributes.as_bytes());
            }
        }
        packet.finish();
        Ok(())
    }
}

/// With `mysql_clear_password` it is the password, so `auth` is not printed.
impl fmt::Debug for ChangeUser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeUser")
            .field("user", &self.user)
            .field("database", &self.database)
            .field("collation", &self.collation)
            .field("plugin", &self.plugin)
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
