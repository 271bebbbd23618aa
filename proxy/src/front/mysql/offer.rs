//! What a door offers, and what of it is agreed with a server.

use tenantsdb_codecs::mysql::flags::Capabilities;
use tenantsdb_codecs::mysql::{Flavour, auth};

use crate::route::versions::at_least;

/// What is offered at every door. Not offered, ever: compression; what changes the framing of
/// results (OPTIONAL_RESULTSET_METADATA, MariaDB's cached metadata); MariaDB's progress reports.
const OFFERED: Capabilities = Capabilities::FOUND_ROWS
    .union(Capabilities::LONG_FLAG)
    .union(Capabilities::CONNECT_WITH_DB)
    .union(Capabilities::ODBC)
    .union(Capabilities::LOCAL_FILES)
    .union(Capabilities::IGNORE_SPACE)
    .union(Capabilities::PROTOCOL_41)
    .union(Capabilities::INTERACTIVE)
    .union(Capabilities::TRANSACTIONS)
    .union(Capabilities::SECURE_CONNECTION)
    .union(Capabilities::MULTI_STATEMENTS)
    .union(Capabilities::MULTI_RESULTS)
    .union(Capabilities::PS_MULTI_RESULTS)
    .union(Capabilities::PLUGIN_AUTH)
    .union(Capabilities::CONNECT_ATTRS)
    .union(Capabilities::PLUGIN_AUTH_LENENC_DATA)
    .union(Capabilities::CAN_HANDLE_EXPIRED_PASSWORDS)
    .union(Capabilities::SESSION_TRACK)
    .union(Capabilities::DEPRECATE_EOF);

/// Of these, what makes a difference to a session on a server; the rest is between the client and
/// us. It is part of the pool's key.
const OF_SESSION: Capabilities = Capabilities::LONG_PASSWORD
    .union(Capabilities::FOUND_ROWS)
    .union(Capabilities::LONG_FLAG)
    .union(Capabilities::ODBC)
    .union(Capabilities::LOCAL_FILES)
    .union(Capabilities::IGNORE_SPACE)
    .union(Capabilities::INTERACTIVE)
    .union(Capabilities::TRANSACTIONS)
    .union(Capabilities::MULTI_STATEMENTS)
    .union(Capabilities::MULTI_RESULTS)
    .union(Capabilities::PS_MULTI_RESULTS)
    .union(Capabilities::CAN_HANDLE_EXPIRED_PASSWORDS)
    .union(Capabilities::SESSION_TRACK)
    .union(Capabilities::DEPRECATE_EOF)
    .union(Capabilities::QUERY_ATTRIBUTES)
    .union(Capabilities::MARIADB_STMT_BULK_OPERATIONS)
    .union(Capabilities::MARIADB_EXTENDED_METADATA);

/// The plugin of a flavour's accounts, and so of its door.
pub(super) const fn plugin(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::MySql => auth::CACHING_SHA2_PASSWORD,
        Flavour::MariaDb => auth::NATIVE_PASSWORD,
    }
}

/// What is offered at a door whose servers have at least this version.
pub(crate) fn offer(flavour: Flavour, version: &str, tls: bool) -> Capabilities {
    let mut offered = OFFERED;
    if tls {
        offered = offered.union(Capabilities::SSL);
    }
    match flavour {
        // Without that flag a server is MariaDB, and has flags of its own.
        Flavour::MariaDb => offered
            .union(Capabilities::MARIADB_STMT_BULK_OPERATIONS)
            .union(Capabilities::MARIADB_EXTENDED_METADATA),
        Flavour::MySql if at_least(version, (8, 0, 23)) => offered
            .union(Capabilities::LONG_PASSWORD)
            .union(Capabilities::QUERY_ATTRIBUTES),
        Flavour::MySql => offered.union(Capabilities::LONG_PASSWORD),
    }
}

/// What of a client's capabilities its session on the server is to have.
pub(super) fn session_capabilities(agreed: Capabilities, local_infile: bool) -> Capabilities {
    let of_session = agreed.intersection(OF_SESSION);
    match local_infile {
        true => of_session,
        false => of_session.difference(Capabilities::LOCAL_FILES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_other_capabilities_have_other_connections() {
        let agreed = |capabilities| session_capabilities(capabilities, false);
        let plain = agreed(OFFERED);
        assert!(!plain.contains(Capabilities::LOCAL_FILES));
        assert_ne!(
            plain,
            agreed(OFFERED.difference(Capabilities::DEPRECATE_EOF))
        );
        assert_ne!(plain, session_capabilities(OFFERED, true));
        // What is between the client and us makes no difference.
        assert_eq!(
            plain,
            agreed(OFFERED.difference(Capabilities::CONNECT_ATTRS))
        );
    }

    #[test]
    fn a_door_offers_what_its_oldest_server_can() {
        let old = offer(Flavour::MySql, "8.0.22", true);
        assert!(old.contains(Capabilities::SSL) && !old.contains(Capabilities::QUERY_ATTRIBUTES));
        assert!(offer(Flavour::MySql, "9.7.0", false).contains(Capabilities::QUERY_ATTRIBUTES));
        let mariadb = offer(Flavour::MariaDb, "10.11.0", false);
        assert!(
            !mariadb.contains(Capabilities::LONG_PASSWORD),
            "it has flags of its own"
        );
        for never in [
            Capabilities::COMPRESS,
            Capabilities::ZSTD_COMPRESSION,
            Capabilities::OPTIONAL_RESULTSET_METADATA,
            Capabilities::MARIADB_CACHE_METADATA,
        ] {
            assert!(!old.union(mariadb).contains(never), "{never:?}");
        }
    }
}
