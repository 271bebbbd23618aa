//! What the two sides can, and what state a session is in.

/// Defines a set of named bits.
macro_rules! set {
    ($name:ident, $bits:ty, $($(#[$doc:meta])+ $flag:ident = $bit:literal;)+) => {
        impl $name {
            /// No flag.
            pub const NONE: Self = Self(0);
            $($(#[$doc])+ pub const $flag: Self = Self(1 << $bit);)+

            /// Whether all flags of `other` are in it.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The flags that are in either.
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// The flags that are in both.
            #[must_use]
            pub const fn intersection(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// The flags that are in it and not in `other`.
            #[must_use]
            pub const fn difference(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }
        }

        /// The names of the flags in it; bits without a name as a number.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut named: $bits = 0;
                let mut set = f.debug_set();
                $(if self.contains(Self::$flag) {
                    named |= Self::$flag.0;
                    set.entry(&format_args!(stringify!($flag)));
                })+
                if self.0 != named {
                    set.entry(&format_args!("{:#x}", self.0 & !named));
                }
                set.finish()
            }
        }
    };
}

/// Capability flags. The lower 32 bits are MySQL's, the upper 32 MariaDB's extended ones, which
/// stand in the filler of greeting and response where [`Self::LONG_PASSWORD`] is clear.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html>,
/// <https://mariadb.com/kb/en/connection/#capabilities>
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(pub u64);

set! { Capabilities, u64,
    /// Set by MySQL. MariaDB calls it `CLIENT_MYSQL`: clear, it says that there are extended flags.
    LONG_PASSWORD = 0;
    /// Affected rows are those found, not those changed.
    FOUND_ROWS = 1;
    /// More column flags.
    LONG_FLAG = 2;
    /// The response names a database.
    CONNECT_WITH_DB = 3;
    /// `database.table.column` is not allowed.
    NO_SCHEMA = 4;
    /// Compression by zlib.
    COMPRESS = 5;
    /// No meaning since 3.22.
    ODBC = 6;
    /// LOAD DATA LOCAL.
    LOCAL_FILES = 7;
    /// Spaces before the parenthesis of a function call.
    IGNORE_SPACE = 8;
    /// The layouts of 4.1, the only ones that are read here.
    PROTOCOL_41 = 9;
    /// `interactive_timeout` instead of `wait_timeout`.
    INTERACTIVE = 10;
    /// TLS.
    SSL = 11;
    /// The client handles SIGPIPE.
    IGNORE_SIGPIPE = 12;
    /// Status flags in replies.
    TRANSACTIONS = 13;
    /// No meaning; set by servers once.
    RESERVED = 14;
    /// A nonce of 20 bytes; a response with its length in front.
    SECURE_CONNECTION = 15;
    /// Several statements in one query.
    MULTI_STATEMENTS = 16;
    /// Several results of one query.
    MULTI_RESULTS = 17;
    /// Several results of one execution.
    PS_MULTI_RESULTS = 18;
    /// Authentication plugins by name.
    PLUGIN_AUTH = 19;
    /// Connection attributes.
    CONNECT_ATTRS = 20;
    /// A response with a length-encoded length in front.
    PLUGIN_AUTH_LENENC_DATA = 21;
    /// An expired password gets a session in which it can be changed.
    CAN_HANDLE_EXPIRED_PASSWORDS = 22;
    /// Session state changes in OK packets.
    SESSION_TRACK = 23;
    /// No EOF packets; OK with another first byte ends rows.
    DEPRECATE_EOF = 24;
    /// Result sets may come without column definitions. Not read here.
    OPTIONAL_RESULTSET_METADATA = 25;
    /// Compression by zstd.
    ZSTD_COMPRESSION = 26;
    /// Parameters before the text of a query.
    QUERY_ATTRIBUTES = 27;
    /// More than one authentication method in a row.
    MULTI_FACTOR_AUTHENTICATION = 28;
    /// Reserved.
    CAPABILITY_EXTENSION = 29;
    /// Of the client library alone: the server's certificate is checked.
    SSL_VERIFY_SERVER_CERT = 30;
    /// Of the client library alone: options outlive a failed connect.
    REMEMBER_OPTIONS = 31;
    /// MariaDB: progress reports.
    MARIADB_PROGRESS = 32;
    /// MariaDB: several commands in one message; taken out again.
    MARIADB_COM_MULTI = 33;
    /// MariaDB: COM_STMT_BULK_EXECUTE.
    MARIADB_STMT_BULK_OPERATIONS = 34;
    /// MariaDB: type names in column definitions.
    MARIADB_EXTENDED_METADATA = 35;
    /// MariaDB: column definitions that have not changed are left out. Not read here.
    MARIADB_CACHE_METADATA = 36;
    /// MariaDB: one result for each row of a bulk execution.
    MARIADB_BULK_UNIT_RESULTS = 37;
}

/// Status flags of a session, in OK and EOF packets and in the greeting.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/mysql__com_8h.html#a1d854e841086925be1883e4d7b4e8cad>
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Status(pub u16);

set! { Status, u16,
    /// A transaction is open.
    IN_TRANS = 0;
    /// Each statement is a transaction of its own.
    AUTOCOMMIT = 1;
    /// Another result follows.
    MORE_RESULTS_EXISTS = 3;
    /// The query had no good index.
    NO_GOOD_INDEX_USED = 4;
    /// The query had no index.
    NO_INDEX_USED = 5;
    /// A cursor is open for the statement; rows come by COM_STMT_FETCH.
    CURSOR_EXISTS = 6;
    /// The cursor has no more rows.
    LAST_ROW_SENT = 7;
    /// The default database was dropped.
    DB_DROPPED = 8;
    /// A backslash in a literal is a backslash: `NO_BACKSLASH_ESCAPES` in `sql_mode`.
    NO_BACKSLASH_ESCAPES = 9;
    /// A statement was prepared again, with other columns.
    METADATA_CHANGED = 10;
    /// The query was slow.
    QUERY_WAS_SLOW = 11;
    /// The rows are the values of OUT parameters.
    PS_OUT_PARAMS = 12;
    /// The open transaction is read only.
    IN_TRANS_READONLY = 13;
    /// The OK packet says what has changed in the session.
    SESSION_STATE_CHANGED = 14;
    /// MariaDB: `ANSI_QUOTES` in `sql_mode`.
    ANSI_QUOTES = 15;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_a_set() {
        let both = Capabilities::SSL.union(Capabilities::PROTOCOL_41);
        assert!(both.contains(Capabilities::SSL) && both.contains(Capabilities::NONE));
        assert!(!Capabilities::SSL.contains(both));
        assert_eq!(
            both.difference(Capabilities::SSL),
            Capabilities::PROTOCOL_41
        );
        assert_eq!(both.intersection(Capabilities::SSL), Capabilities::SSL);
        assert_eq!(Capabilities::MARIADB_PROGRESS.0, 0x1_0000_0000);
    }

    #[test]
    fn debug_names_the_flags() {
        let flags = Status(0x8003 | 4);
        assert_eq!(
            format!("{flags:?}"),
            "{IN_TRANS, AUTOCOMMIT, ANSI_QUOTES, 0x4}"
        );
        assert_eq!(format!("{:?}", Status::NONE), "{}");
    }
}
