//! What control is told at its start, resolved and checked; immutable from then on.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// Name of the store's file in the data directory.
pub const STORE_FILE: &str = "control.db";
/// Name of the master key's file in the data directory, if no other path is given.
pub const MASTER_KEY_FILE: &str = "master.key";

/// Measured on a server with two cores: four do most in a second, more of them only wait for each
/// other's commits.
pub const DEPLOY_WORKERS: NonZeroU16 = NonZeroU16::new(4).expect("four is not zero");

/// Where the proxies' MySQL door is, unless it is said.
pub const MYSQL_ADDRESS: &str = "127.0.0.1:6307";
/// Where the proxies' MariaDB door is, unless it is said.
pub const MARIADB_ADDRESS: &str = "127.0.0.1:6306";

/// Where the proxies' MongoDB door is, unless it is said.
pub const MONGO_ADDRESS: &str = "127.0.0.1:6017";

/// Where the proxies' Redis door is, unless it is said.
pub const REDIS_ADDRESS: &str = "127.0.0.1:6380";

/// Where things are and what addresses people are shown.
#[derive(Clone, Debug)]
pub struct Config {
    /// The store is in here.
    pub data: PathBuf,
    /// Where the REST API and the route feed are served.
    pub listen: SocketAddr,
    /// `host:port` that connection strings show: the proxies' PostgreSQL door.
    pub postgres_address: String,
    /// The same for the proxies' MySQL door.
    pub mysql_address: String,
    /// The same for the proxies' MariaDB door.
    pub mariadb_address: String,
    /// The same for the proxies' MongoDB door.
    pub mongo_address: String,
    /// The same for the proxies' Redis door.
    pub redis_address: String,
    /// The file of the key that seals secrets.
    pub master_key: PathBuf,
    /// Tenants of one database server that a deployment works on at once.
    pub deploy_workers: NonZeroU16,
    /// PEM file of the authorities that `verify-full` trusts; the public ones if left out.
    pub server_ca: Option<PathBuf>,
}

impl Config {
    /// Resolves the defaults and checks what can be checked without side effects.
    ///
    /// # Errors
    ///
    /// The address that connection strings show is not `host:port`.
    pub fn new(
        data: PathBuf,
        listen: SocketAddr,
        postgres_address: String,
        master_key: Option<PathBuf>,
    ) -> Result<Self> {
        check_address(&postgres_address)?;
        let master_key = master_key.unwrap_or_else(|| data.join(MASTER_KEY_FILE));
        Ok(Self {
            data,
            listen,
            postgres_address,
            mysql_address: MYSQL_ADDRESS.to_owned(),
            mariadb_address: MARIADB_ADDRESS.to_owned(),
            mongo_address: MONGO_ADDRESS.to_owned(),
            redis_address: REDIS_ADDRESS.to_owned(),
            master_key,
            deploy_workers: DEPLOY_WORKERS,
            server_ca: None,
        })
    }

    /// The store's file.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.data.join(STORE_FILE)
    }
}

/// Checks that `address` is `host:port`, an IPv6 host in brackets.
///
/// # Errors
///
/// It is not.
pub fn check_address(address: &str) -> Result<()> {
    let wrong = || Error::invalid(format!("\"{address}\" is not an address: give host:port"));
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let host_fits = match bracketed {
        true => host
            .trim_matches(['[', ']'])
            .parse::<std::net::Ipv6Addr>()
            .is_ok(),
        false => !host.is_empty() && host.bytes().all(plain),
    };
    match port.parse::<u16>() {
        Ok(1..) if host_fits => Ok(()),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_port() {
        for good in [
            "127.0.0.1:6432",
            "db.example:5432",
            "[::1]:5432",
            "localhost:1",
        ] {
            assert!(check_address(good).is_ok(), "{good}");
        }
        for bad in [
            "", "db", "db:", ":5432", "db:0", "db:65536", "::1:5432", "a b:1", "u@h:1",
        ] {
            assert!(check_address(bad).is_err(), "{bad}");
        }
    }
}
