//! The error numbers that we send or look for, with their SQLSTATEs.
//!
//! <https://dev.mysql.com/doc/mysql-errors/9.0/en/server-error-reference.html>,
//! <https://mariadb.com/kb/en/mariadb-error-code-reference/>

use std::fmt;

/// Number of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u16);

impl Code {
    /// `ER_DB_CREATE_EXISTS`: a database of that name exists.
    pub const DATABASE_EXISTS: Self = Self(1007);
    /// `ER_DB_DROP_EXISTS`: no database of that name to drop.
    pub const DATABASE_TO_DROP_MISSING: Self = Self(1008);
    /// `ER_CON_COUNT_ERROR`: too many connections.
    pub const TOO_MANY_CONNECTIONS: Self = Self(1040);
    /// `ER_HANDSHAKE_ERROR`: bad handshake.
    pub const BAD_HANDSHAKE: Self = Self(1043);
    /// `ER_DBACCESS_DENIED_ERROR`: no access to that database.
    pub const DATABASE_ACCESS_DENIED: Self = Self(1044);
    /// `ER_ACCESS_DENIED_ERROR`: no such account, or another password.
    pub const ACCESS_DENIED: Self = Self(1045);
    /// `ER_NO_DB_ERROR`: no database selected.
    pub const NO_DATABASE: Self = Self(1046);
    /// `ER_UNKNOWN_COM_ERROR`: unknown command.
    pub const UNKNOWN_COMMAND: Self = Self(1047);
    /// `ER_BAD_DB_ERROR`: unknown database.
    pub const UNKNOWN_DATABASE: Self = Self(1049);
    /// `ER_TABLE_EXISTS_ERROR`: a table of that name exists.
    pub const TABLE_EXISTS: Self = Self(1050);
    /// `ER_SERVER_SHUTDOWN`: server shutdown in progress.
    pub const SERVER_SHUTDOWN: Self = Self(1053);
    /// `ER_PARSE_ERROR`: syntax error.
    pub const SYNTAX_ERROR: Self = Self(1064);
    /// `ER_NO_SUCH_THREAD`: no session with that id.
    pub const NO_SUCH_THREAD: Self = Self(1094);
    /// `ER_KILL_DENIED_ERROR`: not the owner of that session.
    pub const KILL_DENIED: Self = Self(1095);
    /// `ER_UNKNOWN_ERROR`: anything else.
    pub const UNKNOWN: Self = Self(1105);
    /// `ER_HOST_IS_BLOCKED`: too many connections from that host have failed.
    pub const HOST_BLOCKED: Self = Self(1129);
    /// `ER_HOST_NOT_PRIVILEGED`: nobody may connect from that host.
    pub const HOST_NOT_PRIVILEGED: Self = Self(1130);
    /// `ER_TABLEACCESS_DENIED_ERROR`: no such privilege on that table.
    pub const TABLE_ACCESS_DENIED: Self = Self(1142);
    /// `ER_NO_SUCH_TABLE`: no table of that name.
    pub const NO_SUCH_TABLE: Self = Self(1146);
    /// `ER_NOT_ALLOWED_COMMAND`: the command is not allowed; once also for LOCAL INFILE.
    pub const COMMAND_NOT_ALLOWED: Self = Self(1148);
    /// `ER_NET_PACKET_TOO_LARGE`: a message over `max_allowed_packet`.
    pub const PACKET_TOO_LARGE: Self = Self(1153);
    /// `ER_NET_PACKETS_OUT_OF_ORDER`: a sequence number that is not the next.
    pub const PACKETS_OUT_OF_ORDER: Self = Self(1156);
    /// `ER_NET_UNCOMPRESS_ERROR`: a compressed packet that cannot be read.
    pub const UNCOMPRESS_ERROR: Self = Self(1157);
    /// `ER_NET_READ_ERROR`: an error while a packet was read.
    pub const READ_ERROR: Self = Self(1158);
    /// `ER_NET_READ_INTERRUPTED`: a packet took too long to come.
    pub const READ_TIMEOUT: Self = Self(1159);
    /// `ER_NET_ERROR_ON_WRITE`: an error while a packet was written.
    pub const WRITE_ERROR: Self = Self(1160);
    /// `ER_NEW_ABORTING_CONNECTION`: the connection was given up.
    pub const CONNECTION_ABORTED: Self = Self(1184);
    /// `ER_TOO_MANY_USER_CONNECTIONS`: more than `max_user_connections`.
    pub const TOO_MANY_USER_CONNECTIONS: Self = Self(1203);
    /// `ER_LOCK_WAIT_TIMEOUT`: a lock did not come in time.
    pub const LOCK_WAIT_TIMEOUT: Self = Self(1205);
    /// `ER_LOCK_DEADLOCK`: the transaction was rolled back.
    pub const DEADLOCK: Self = Self(1213);
    /// `ER_USER_LIMIT_REACHED`: the account has used up what it may in an hour.
    pub const USER_LIMIT_REACHED: Self = Self(1226);
    /// `ER_SPECIFIC_ACCESS_DENIED_ERROR`: a privilege is missing.
    pub const PRIVILEGE_MISSING: Self = Self(1227);
    /// `ER_NOT_SUPPORTED_YET`: not supported.
    pub const NOT_SUPPORTED: Self = Self(1235);
    /// `ER_NOT_SUPPORTED_AUTH_MODE`: the client lacks an authentication protocol.
    pub const AUTH_NOT_SUPPORTED: Self = Self(1251);
    /// `ER_OPTION_PREVENTS_STATEMENT`: an option of the server forbids it, such as `read_only`.
    pub const OPTION_PREVENTS: Self = Self(1290);
    /// `ER_QUERY_INTERRUPTED`: killed, or `max_execution_time`.
    pub const QUERY_INTERRUPTED: Self = Self(1317);
    /// `ER_CANNOT_USER`: an account exists already, or does not.
    pub const ACCOUNT_OPERATION_FAILED: Self = Self(1396);
    /// `ER_BINLOG_CREATE_ROUTINE_NEED_SUPER`: `log_bin_trust_function_creators` is off.
    pub const ROUTINE_NEEDS_SUPER: Self = Self(1419);
    /// `ER_PLUGIN_IS_NOT_LOADED`: the account's authentication plugin is not there.
    pub const PLUGIN_NOT_LOADED: Self = Self(1524);
    /// `ER_ACCESS_DENIED_NO_PASSWORD_ERROR`: an account without a password to check.
    pub const ACCESS_DENIED_NO_PASSWORD: Self = Self(1698);
    /// `ER_MUST_CHANGE_PASSWORD`: the password has expired, in a session.
    pub const PASSWORD_EXPIRED: Self = Self(1820);
    /// `ER_MALFORMED_PACKET`: a message that cannot be read.
    pub const MALFORMED_PACKET: Self = Self(1835);
    /// `ER_ALTER_OPERATION_NOT_SUPPORTED`: not with that ALGORITHM or LOCK.
    pub const ALTER_NOT_SUPPORTED: Self = Self(1845);
    /// `ER_ALTER_OPERATION_NOT_SUPPORTED_REASON`: the same, with its reason.
    pub const ALTER_NOT_SUPPORTED_REASON: Self = Self(1846);
    /// `ER_MUST_CHANGE_PASSWORD_LOGIN`: the password has expired, at login.
    pub const PASSWORD_EXPIRED_LOGIN: Self = Self(1862);
    /// `ER_ACCESS_DENIED_CHANGE_USER_ERROR` of MySQL: COM_CHANGE_USER was refused, and the
    /// connection is closed.
    pub const CHANGE_USER_DENIED: Self = Self(1873);
    /// `ER_CONNECTION_KILLED` of MariaDB.
    pub const CONNECTION_KILLED: Self = Self(1927);
    /// `ER_ACCOUNT_HAS_BEEN_LOCKED` of MySQL.
    pub const ACCOUNT_LOCKED_MYSQL: Self = Self(3118);
    /// `ER_SECURE_TRANSPORT_REQUIRED`: the account or server demands TLS.
    pub const TLS_REQUIRED: Self = Self(3159);
    /// `ER_CLIENT_LOCAL_FILES_DISABLED` of MySQL.
    pub const LOCAL_FILES_DISABLED_MYSQL: Self = Self(3948);
    /// `ER_CLIENT_INTERACTION_TIMEOUT` of MySQL: sent to a client that asked nothing.
    pub const CLIENT_TIMEOUT: Self = Self(4031);
    /// `ER_ACCOUNT_HAS_BEEN_LOCKED` of MariaDB.
    pub const ACCOUNT_LOCKED_MARIADB: Self = Self(4151);
    /// `ER_LOAD_INFILE_CAPABILITY_DISABLED` of MariaDB.
    pub const LOCAL_FILES_DISABLED_MARIADB: Self = Self(4166);

    /// What MySQL gives as the SQLSTATE of the error.
    #[must_use]
    pub const fn sqlstate(self) -> SqlState {
        SqlState(match self.0 {
            1040 | 1251 => *b"08004",
            1043 | 1047 | 1053 | 1153..=1161 | 1184 => *b"08S01",
            1845 | 1846 => *b"0A000",
            1045 | 1698 | 1873 => *b"28000",
            1046 => *b"3D000",
            1213 => *b"40001",
            1044 | 1049 | 1064 | 1142 | 1148 | 1203 | 1226 | 1227 | 1235 | 3948 => *b"42000",
            1050 => *b"42S01",
            1146 => *b"42S02",
            1317 | 1927 => *b"70100",
            _ => *b"HY000",
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Five digits and upper-case letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// What errors without a SQLSTATE of their own have.
    pub const GENERAL: Self = Self(*b"HY000");

    /// Reads one; `None` if it is not five digits and upper-case letters.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let state: [u8; 5] = bytes.try_into().ok()?;
        let valid = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
        state.iter().all(valid).then_some(Self(state))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in, so the other case does not exist.
        std::str::from_utf8(&self.0).unwrap_or("HY000")
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlState({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_sqlstates() {
        for (code, state) in [
            (Code::ACCESS_DENIED, "28000"),
            (Code::TOO_MANY_CONNECTIONS, "08004"),
            (Code::UNKNOWN_COMMAND, "08S01"),
            (Code::DATABASE_ACCESS_DENIED, "42000"),
            (Code::DEADLOCK, "40001"),
            (Code(65535), "HY000"),
        ] {
            assert_eq!(code.sqlstate().as_str(), state, "{code}");
        }
    }

    #[test]
    fn sqlstates_are_five_digits_and_upper_case_letters() {
        assert_eq!(SqlState::parse(b"HY000"), Some(SqlState::GENERAL));
        assert_eq!(SqlState::GENERAL.to_string(), "HY000");
        for other in [&b""[..], b"HY00", b"HY0000", b"hy000", b"HY0\xff0"] {
            assert_eq!(SqlState::parse(other), None, "{}", other.escape_ascii());
        }
    }
}
