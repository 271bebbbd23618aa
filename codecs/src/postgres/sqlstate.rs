//! The SQLSTATEs that we send or look for.
//!
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>

use std::fmt;

/// Five digits and upper-case letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// `successful_completion`: what a notice without meaning has.
    pub const SUCCESS: Self = Self(*b"00000");
    /// `sqlclient_unable_to_establish_sqlconnection`
    pub const UNABLE_TO_CONNECT: Self = Self(*b"08001");
    /// `sqlserver_rejected_establishment_of_sqlconnection`
    pub const CONNECTION_REJECTED: Self = Self(*b"08004");
    /// `connection_failure`
    pub const CONNECTION_FAILURE: Self = Self(*b"08006");
    /// `protocol_violation`
    pub const PROTOCOL_VIOLATION: Self = Self(*b"08P01");
    /// `feature_not_supported`
    pub const FEATURE_NOT_SUPPORTED: Self = Self(*b"0A000");
    /// `invalid_transaction_state`
    pub const INVALID_TRANSACTION_STATE: Self = Self(*b"25000");
    /// `active_sql_transaction`: the statement cannot run in a transaction block.
    pub const ACTIVE_SQL_TRANSACTION: Self = Self(*b"25001");
    /// `in_failed_sql_transaction`
    pub const IN_FAILED_SQL_TRANSACTION: Self = Self(*b"25P02");
    /// `invalid_authorization_specification`
    pub const INVALID_AUTHORIZATION: Self = Self(*b"28000");
    /// `invalid_password`
    pub const INVALID_PASSWORD: Self = Self(*b"28P01");
    /// `dependent_objects_still_exist`
    pub const DEPENDENT_OBJECTS: Self = Self(*b"2BP01");
    /// `invalid_catalog_name`: no such database.
    pub const INVALID_CATALOG_NAME: Self = Self(*b"3D000");
    /// `serialization_failure`
    pub const SERIALIZATION_FAILURE: Self = Self(*b"40001");
    /// `deadlock_detected`
    pub const DEADLOCK_DETECTED: Self = Self(*b"40P01");
    /// `insufficient_privilege`
    pub const INSUFFICIENT_PRIVILEGE: Self = Self(*b"42501");
    /// `syntax_error`
    pub const SYNTAX_ERROR: Self = Self(*b"42601");
    /// `duplicate_database`
    pub const DUPLICATE_DATABASE: Self = Self(*b"42P04");
    /// `duplicate_object`: a role or constraint of that name exists.
    pub const DUPLICATE_OBJECT: Self = Self(*b"42710");
    /// `undefined_object`: no role of that name.
    pub const UNDEFINED_OBJECT: Self = Self(*b"42704");
    /// `undefined_table`
    pub const UNDEFINED_TABLE: Self = Self(*b"42P01");
    /// `too_many_connections`
    pub const TOO_MANY_CONNECTIONS: Self = Self(*b"53300");
    /// `configuration_limit_exceeded`
    pub const LIMIT_EXCEEDED: Self = Self(*b"53400");
    /// `program_limit_exceeded`
    pub const PROGRAM_LIMIT_EXCEEDED: Self = Self(*b"54000");
    /// `object_in_use`: sessions are connected to the database.
    pub const OBJECT_IN_USE: Self = Self(*b"55006");
    /// `lock_not_available`: what `lock_timeout` ends with.
    pub const LOCK_NOT_AVAILABLE: Self = Self(*b"55P03");
    /// `query_canceled`
    pub const QUERY_CANCELED: Self = Self(*b"57014");
    /// `admin_shutdown`
    pub const ADMIN_SHUTDOWN: Self = Self(*b"57P01");
    /// `crash_shutdown`
    pub const CRASH_SHUTDOWN: Self = Self(*b"57P02");
    /// `cannot_connect_now`
    pub const CANNOT_CONNECT_NOW: Self = Self(*b"57P03");
    /// `database_dropped`
    pub const DATABASE_DROPPED: Self = Self(*b"57P04");
    /// `idle_session_timeout`
    pub const IDLE_SESSION_TIMEOUT: Self = Self(*b"57P05");
    /// `internal_error`
    pub const INTERNAL_ERROR: Self = Self(*b"XX000");

    /// Reads a code; `None` if it is not five digits and upper-case letters.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let code: [u8; 5] = code.as_bytes().try_into().ok()?;
        let valid = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
        code.iter().all(valid).then_some(Self(code))
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in, so the other case does not exist.
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }

    /// The first two characters: `28` is invalid authorization, `08` connection exception.
    #[must_use]
    pub fn class(&self) -> &str {
        self.as_str().get(..2).unwrap_or_default()
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
    fn codes_are_five_digits_and_upper_case_letters() {
        assert_eq!(SqlState::parse("28P01"), Some(SqlState::INVALID_PASSWORD));
        assert_eq!(SqlState::INVALID_PASSWORD.to_string(), "28P01");
        assert_eq!(SqlState::INVALID_PASSWORD.class(), "28");
        for other in ["", "28P0", "28P011", "28p01", "28P0\0", "28P0é"] {
            assert_eq!(SqlState::parse(other), None, "{other}");
        }
    }
}
