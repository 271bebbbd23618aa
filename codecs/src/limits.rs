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

/// Most arguments of a Redis request before its client has proved who it is. The server has the
/// same bound: `processMultibulkBuffer` in `src/networking.c`.
pub const REDIS_ARGS_BEFORE_AUTH_MAX: usize = 10;

/// Longest argument in bytes of a Redis request before its client has proved who it is, and longest
/// inline request then. The first bound is the server's too, in the same place.
pub const REDIS_BULK_BYTES_BEFORE_AUTH_MAX: u64 = 16_384;

/// Most arguments of a Redis request: what servers before 7.0 took. An MSET of half a million keys
/// fits.
pub const REDIS_ARGS_MAX: usize = 1_048_576;

/// Longest argument in bytes of a Redis request: the server's default for `proto-max-bulk-len`.
pub const REDIS_BULK_BYTES_MAX: u64 = 512 * 1_048_576;

/// Longest inline request of Redis in bytes: `PROTO_INLINE_MAX_SIZE` in `src/server.h`.
pub const REDIS_INLINE_BYTES_MAX: usize = 65_536;

/// Longest pattern in bytes that channels are matched with here. Channels have names of tens of
/// bytes; work grows with the product of both lengths.
pub const REDIS_PATTERN_BYTES_MAX: usize = 1_024;

/// Most steps ([`matches_within`](crate::redis::glob::matches_within)) of matching one message's
/// channel with all patterns of a subscriber, or all channels with one pattern: 3 to 6 ms of a
/// core. A thousand patterns that share twenty bytes with the channel take 20 000.
pub const REDIS_PATTERN_STEPS_MAX: u64 = 1_000_000;

/// Most aggregates of a Redis reply that are inside one another. The server nests six deep; a
/// script may return what it likes, and Lua ends at 200 C calls.
pub const REDIS_DEPTH_MAX: usize = 128;

/// Most elements of one aggregate of a Redis reply: hiredis takes no more either
/// (`maxelements` in `read.c`).
pub const REDIS_ELEMENTS_MAX: u64 = u32::MAX as u64;

/// Most values of a Redis reply that is held as a tree. All of COMMAND are 30 000.
pub const REDIS_VALUES_MAX: usize = 1_048_576;

/// Longest error in bytes that is looked through for keys when it comes as a Redis blob, whose
/// length stands before it. A longer one passes as it is.
pub const REDIS_BLOB_ERROR_BYTES_MAX: u64 = 65_536;

/// Longest text in bytes of a Redis error that we send; the rest is cut off.
pub const REDIS_REPORT_BYTES_MAX: usize = 1_024;

/// Longest message in bytes of a MongoDB client before it has proved who it is. A hello with all
/// that drivers say of themselves has less than 2 kB.
pub const MONGO_LOGIN_BYTES_MAX: usize = 16_384;

/// Longest MongoDB message in bytes: `maxMessageSizeBytes` of every server's hello
/// (`MaxMessageSizeBytes` in `src/mongo/rpc/message.h`).
pub const MONGO_MESSAGE_BYTES_MAX: usize = 48_000_000;

/// Longest document in bytes: 16 MiB of the user's, and 16 KiB for what a command has around it
/// (`BSONObjMaxInternalSize` in `src/mongo/bson/util/builder.h`).
pub const MONGO_DOCUMENT_BYTES_MAX: usize = 16_793_600;

/// Most documents and arrays inside one another, the outermost counted. The server has the same
/// bound for what comes from outside: `BSONDepth::kDefaultMaxAllowableDepth`.
pub const MONGO_DEPTH_MAX: usize = 200;

/// Most fields of a MongoDB command. `aggregate` and `find`, with all that drivers and routers put
/// beside their own, have less than 60.
pub const MONGO_FIELDS_MAX: usize = 128;

/// Most document sequences of one MongoDB message. `bulkWrite` has two, all others one.
pub const MONGO_SEQUENCES_MAX: usize = 8;

/// Longest name in bytes of a document sequence of a MongoDB message. `documents` is the longest
/// that there is.
pub const MONGO_SEQUENCE_NAME_BYTES_MAX: usize = 64;

/// Longest text in bytes of a MongoDB error that we send; the rest is cut off.
pub const MONGO_REPORT_BYTES_MAX: usize = 4_096;

/// Most transactions, and most cursors, that one MongoDB client connection is seen to have open.
/// More are not forbidden.
pub const MONGO_OPEN_PER_CONNECTION_MAX: usize = 64;

/// Most cursors that are remembered of the connections of one MongoDB user from one place.
pub const MONGO_CURSORS_MAX: usize = 4_096;

/// Most sessions that are remembered of the connections of one MongoDB user from one place.
pub const MONGO_SESSIONS_MAX: usize = 16_384;

/// Longest `database.collection` in bytes: `NamespaceString::MaxNsCollectionLen` in the server.
pub const MONGO_NAMESPACE_BYTES_MAX: usize = 255;
