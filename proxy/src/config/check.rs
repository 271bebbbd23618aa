//! Text to [`Config`]; everything that is wrong is reported at once, with what to do.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use tenantsdb_codecs::secret::Secret;

use super::raw::Raw;
use super::{CertFiles, Config, Control};

/// Longest time that an option may ask for: one day.
const SECONDS_MAX: u64 = 24 * 3600;
/// Longest proxy id, in bytes; it is a query parameter and shown in lists.
const PROXY_ID_BYTES_MAX: usize = 100;
/// More threads than this is a mistake.
const CORES_MAX: usize = 1024;
/// More connections than this no process has file descriptors for.
const CONNECTIONS_MAX: usize = 10_000_000;

/// All that is wrong with a configuration, one finding a line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// Resolves `raw`; reads the token file and the host's name.
///
/// # Errors
///
/// All that is wrong.
pub fn check(raw: &Raw) -> Result<Config, Problems> {
    let mut problems = Problems(Vec::new());
    let postgres_listen = problems.address("--postgres-listen", &raw.postgres_listen);
    let config = Config {
        admin_listen: problems.address("--admin-listen", &raw.admin_listen),
        control: Control {
            url: problems.url("--control-url", &raw.control_url),
            token: problems.token(raw.proxy_token_file.as_deref()),
            proxy_id: problems.proxy_id(raw.proxy_id.as_deref(), postgres_listen),
        },
        mysql_listen: problems.address_if("--mysql-listen", raw.mysql_listen.as_deref()),
        mariadb_listen: problems.address_if("--mariadb-listen", raw.mariadb_listen.as_deref()),
        mongo_listen: problems.address_if("--mongo-listen", raw.mongo_listen.as_deref()),
        redis_listen: problems.address_if("--redis-listen", raw.redis_listen.as_deref()),
        mysql_rsa_key: raw.mysql_rsa_key.clone(),
        data: raw.data.clone(),
        client_tls: problems.cert_files(raw),
        server_ca: raw.server_ca.clone(),
        cores: problems.cores(raw.cores.as_deref()),
        client_connections_max: problems.number(
            "--client-connections-max",
            &raw.client_connections_max,
            CONNECTIONS_MAX,
        ),
        handshakes_max: problems.number("--handshakes-max", &raw.handshakes_max, CONNECTIONS_MAX),
        handshakes_per_source_max: problems.number(
            "--handshakes-per-source-max",
            &raw.handshakes_per_source_max,
            10_000_000,
        ),
        server_connections_max: problems.number(
            "--server-connections-max",
            &raw.server_connections_max,
            100_000,
        ),
        mongo_server_connections_max: problems.number(
            "--mongo-server-connections-max",
            &raw.mongo_server_connections_max,
            100_000,
        ),
        redis_server_connections_max: problems.number(
            "--redis-server-connections-max",
            &raw.redis_server_connections_max,
            100_000,
        ),
        handshake_timeout: problems.seconds("--handshake-seconds", &raw.handshake_seconds),
        checkout_timeout: problems.seconds("--checkout-seconds", &raw.checkout_seconds),
        connect_timeout: problems.seconds("--connect-seconds", &raw.connect_seconds),
        idle_timeout: problems.seconds("--idle-seconds", &raw.idle_seconds),
        drain_timeout: problems.seconds("--drain-seconds", &raw.drain_seconds),
        postgres_listen,
    };
    if problems.0.is_empty() {
        Ok(config)
    } else {
        Err(problems)
    }
}

/// Parses `text` as an address to listen on, for `health`.
///
/// # Errors
///
/// It is not one.
pub fn address(option: &str, text: &str) -> Result<SocketAddr, Problems> {
    let mut problems = Problems(Vec::new());
    let address = problems.address(option, text);
    if problems.0.is_empty() {
        Ok(address)
    } else {
        Err(problems)
    }
}

/// Each method notes what is wrong and returns a stand-in, so that the next option is looked at
/// too.
impl Problems {
    fn note(&mut self, option: &str, problem: impl fmt::Display) {
        self.0.push(format!("{option}: {problem}"));
    }

    fn address_if(&mut self, option: &str, text: Option<&str>) -> Option<SocketAddr> {
        text.map(|text| self.address(option, text))
    }

    fn address(&mut self, option: &str, text: &str) -> SocketAddr {
        text.parse().unwrap_or_else(|_| {
            self.note(
                option,
                format_args!(
                    "\"{text}\" is not an address and port, such as 127.0.0.1:6432 or [::]:6432"
                ),
            );
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    fn url(&mut self, option: &str, text: &str) -> String {
        let url = reqwest::Url::parse(text);
        let usable = url.is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
        });
        if !usable {
            self.note(
                option,
                format_args!("\"{text}\" is not a base URL, such as http://127.0.0.1:6080"),
            );
        }
        text.trim_end_matches('/').to_owned()
    }

    fn number<T: FromStr + PartialOrd + From<u8> + fmt::Display>(
        &mut self,
        option: &str,
        text: &str,
        max: T,
    ) -> T {
        match text.parse::<T>() {
            Ok(number) if number >= T::from(1) && number <= max => number,
            _ => {
                self.note(
                    option,
                    format_args!("\"{text}\" is not a number from 1 to {max}"),
                );
                T::from(1)
            }
        }
    }

    fn seconds(&mut self, option: &str, text: &str) -> Duration {
        Duration::from_secs(self.number(option, text, SECONDS_MAX))
    }

    fn cores(&mut self, text: Option<&str>) -> NonZeroUsize {
        let all = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        text.map_or(all, |text| {
            NonZeroUsize::new(self.number("--cores", text, CORES_MAX)).unwrap_or(all)
        })
    }

    fn cert_files(&mut self, raw: &Raw) -> Option<CertFiles> {
        match (&raw.tls_cert, &raw.tls_key) {
            (Some(cert), Some(key)) => Some(CertFiles {
                cert: cert.clone(),
                key: key.clone(),
            }),
            (None, None) => None,
            (Some(_), None) => {
                self.note(
                    "--tls-key",
                    "needed with --tls-cert: the file of its private key",
                );
                None
            }
            (None, Some(_)) => {
                self.note(
                    "--tls-cert",
                    "needed with --tls-key: the file of the certificate chain",
                );
                None
            }
        }
    }

    fn token(&mut self, file: Option<&Path>) -> Secret<String> {
        let option = "--proxy-token-file";
        let Some(file) = file else {
            self.note(
                option,
                "needed: a file that holds the proxy token which `tenantsdb-control init` printed",
            );
            return Secret::new(String::new());
        };
        match std::fs::read_to_string(file) {
            Ok(text) => {
                let text = Secret::new(text);
                let token = text.expose().trim();
                let header_safe = token.bytes().all(|byte| byte.is_ascii_graphic());
                if token.is_empty() || !header_safe {
                    self.note(option, format_args!("{} holds no token", file.display()));
                }
                Secret::new(token.to_owned())
            }
            Err(error) => {
                self.note(
                    option,
                    format_args!("cannot read {}: {error}", file.display()),
                );
                Secret::new(String::new())
            }
        }
    }

    fn proxy_id(&mut self, given: Option<&str>, listen: SocketAddr) -> String {
        let id = given.map_or_else(|| default_proxy_id(listen), str::to_owned);
        let fits = (1..=PROXY_ID_BYTES_MAX).contains(&id.len());
        if !fits || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.note(
                "--proxy-id",
                format_args!(
                    "\"{id}\" is not 1 to {PROXY_ID_BYTES_MAX} printable ASCII characters"
                ),
            );
        }
        id
    }
}

/// Host name and port; with port 0 the process id, since several may share that.
fn default_proxy_id(listen: SocketAddr) -> String {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy();
    match listen.port() {
        0 => format!("{host}-{}", std::process::id()),
        port => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::raw::Cli;
    use super::*;

    fn raw(arguments: &[&str]) -> Raw {
        Cli::parse_from([&["tenantsdb-proxy"], arguments].concat()).run
    }

    fn token_file(token: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), token).unwrap();
        file
    }

    #[test]
    fn all_problems_are_reported_together() {
        let raw = raw(&[
            "--postgres-listen=localhost",
            "--control-url=ftp://x",
            "--cores=0",
            "--tls-cert=a",
            "--drain-seconds=1d",
            "--proxy-id=a b",
        ]);
        let problems = check(&raw).unwrap_err().to_string();
        for option in [
            "--postgres-listen: ",
            "--control-url: ",
            "--cores: ",
            "--tls-key: ",
            "--drain-seconds: ",
            "--proxy-id: ",
            "--proxy-token-file: ",
        ] {
            assert!(problems.contains(option), "{option} is not in {problems}");
        }
    }

    #[test]
    fn defaults_need_a_token_only() {
        let file = token_file("tdb_pt_1_2\n");
        let mut raw = raw(&["--control-url", "http://127.0.0.1:6080/"]);
        raw.proxy_token_file = Some(file.path().to_owned());
        let config = check(&raw).unwrap();
        assert_eq!(config.control.token.expose(), "tdb_pt_1_2");
        assert_eq!(config.control.url, "http://127.0.0.1:6080");
        assert!(config.control.proxy_id.ends_with(":6432"));
        assert_eq!(config.drain_timeout, Duration::from_secs(30));
    }

    #[test]
    fn a_token_is_never_printed() {
        let file = token_file("two words");
        let mut raw = raw(&[]);
        raw.proxy_token_file = Some(file.path().to_owned());
        let problems = check(&raw).unwrap_err().to_string();
        assert!(!problems.contains("two"), "{problems}");
    }
}
