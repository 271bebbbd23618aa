//! How much a peer may make us hold or compute, before and after it has proved who it is.
//!
//! The bounds before authentication are the small ones: there anybody can send.

/// Longest startup packet in bytes, without its length field. The server has the same bound:
/// `MAX_STARTUP_PACKET_LENGTH` in `src/include/libpq/pqcomm.h`.
pub const STARTUP_BYTES_MAX: usize = 10_000;

/// Longest body in bytes of a SASL message in either direction. A SCRAM message of the clients
/// and servers that exist has less than 300; the server itself takes 65 535
/// (`PG_MAX_SASL_MESSAGE_LENGTH`).
pub const AUTH_BODY_BYTES_MAX: usize = 4_096;

/// Longest body in bytes of what a server sends while it is being logged in to, SASL aside:
/// parameters, key, notices, the error that refuses.
pub const LOGIN_BODY_BYTES_MAX: usize = 65_536;

/// Longest text in bytes of one field of an error that we send; the rest is cut off.
pub const REPORT_FIELD_BYTES_MAX: usize = 8_192;

/// Shortest cancel key in bytes, the only length before protocol 3.2.
pub const CANCEL_SECRET_BYTES_MIN: usize = 4;

/// Longest cancel key in bytes that protocol 3.2 allows.
pub const CANCEL_SECRET_BYTES_MAX: usize = 256;

/// Longest nonce of one SCRAM side in bytes. libpq and the server send 24.
pub const SCRAM_NONCE_BYTES_MAX: usize = 512;

/// Shortest SCRAM salt in bytes: the least that PBKDF2 (RFC 8018, section 4.1) is meant for.
pub const SCRAM_SALT_BYTES_MIN: usize = 8;

/// Longest SCRAM salt in bytes. PostgreSQL makes 16, MongoDB 28.
pub const SCRAM_SALT_BYTES_MAX: usize = 255;

/// Fewest SCRAM iterations: the minimum of RFC 7677. A server that asks for fewer would get a proof
/// whose password is cheap to guess.
pub const SCRAM_ITERATIONS_MIN: u32 = 4_096;

/// Most SCRAM iterations. A server that asks for more would get seconds of our processor.
pub const SCRAM_ITERATIONS_MAX: u32 = 1_000_000;

/// Longest body in bytes of what a MySQL client sends to log in: 64 KiB of connection attributes,
/// and what else there is. The longest user name has 128 characters, the longest database name 64.
pub const MYSQL_LOGIN_BYTES_MAX: usize = MYSQL_ATTRIBUTES_BYTES_MAX + 4_096;

/// Most bytes of a MySQL client's connection attributes. The server takes no more either:
/// `MAX_CONNECTION_ATTR_STORAGE_LENGTH` in `sql/auth/sql_authentication.cc`.
pub const MYSQL_ATTRIBUTES_BYTES_MAX: usize = 65_536;

/// Most parameters of a MySQL query or execution. The server counts them in two bytes.
pub const MYSQL_PARAMETERS_MAX: u64 = 65_535;

/// Longest text in bytes of a MySQL error that we send; the rest is cut off. Clients keep this much
/// with a zero byte: `MYSQL_ERRMSG_SIZE` in `include/mysql_com.h`.
pub const MYSQL_MESSAGE_BYTES_MAX: usize = 511;

/// Most runs of commands of one kind that a MySQL client may send before it reads a reply, and
/// still be followed. Connectors that send ahead send one kind, or pairs of prepare and execute.
pub const MYSQL_COMMAND_RUNS_MAX: usize = 64;
