//! A MySQL or MariaDB client on a connection string.

use std::ffi::OsString;
use std::io::{self, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use reqwest::Url;
use tenantsdb_codecs::mysql::Flavour;

use super::{percent_decoded, without_password};
use crate::cli::error::Error;

/// Where no port stands in the connection string, as clients have it.
const PORT: u16 = 3306;
/// How long the greeting is waited for that tells which client suits best.
const GREETING: Duration = Duration::from_secs(1);

/// Replaces this process by a client; returns only if that cannot be done. Each talks to both
/// flavours where it has the other's ways to log in; that of the server's own flavour is tried
/// first.
pub(super) fn become_client(connection_string: &str, args: &[OsString]) -> Error {
    let (url, password) = match without_password(connection_string) {
        Ok(taken_apart) => taken_apart,
        Err(error) => return error,
    };
    let names = match flavour(&url) {
        Some(Flavour::MySql) => ["mysql", "mariadb"],
        Some(Flavour::MariaDb) | None => ["mariadb", "mysql"],
    };
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for name in names {
        last = client(name, &url, password.as_deref(), args).exec();
        if last.kind() != io::ErrorKind::NotFound {
            return Error::local(
                format!("{name} could not be started: {last}"),
                format!("try it by itself: {name} --version"),
            );
        }
    }
    not_started(&last)
}

/// The client with the password in its environment, where other users' process lists do not show
/// it. Without one here it asks, unless the environment has one.
fn client(name: &str, url: &Url, password: Option<&str>, args: &[OsString]) -> Command {
    let mut command = Command::new(name);
    if let Some(password) = password {
        // Password and user of an option file would go before these.
        command.arg("--no-defaults").env("MYSQL_PWD", password);
    }
    let database = percent_decoded(url.path().trim_start_matches('/'));
    let host = url.host_str().unwrap_or_default();
    command
        .arg("--protocol=tcp")
        .arg(format!("--host={}", host.trim_matches(['[', ']'])))
        .arg(format!("--port={}", url.port().unwrap_or(PORT)))
        .arg(format!("--user={}", percent_decoded(url.username())))
        .arg(format!("--database={database}"));
    if password.is_none() && std::env::var_os("MYSQL_PWD").is_none() {
        command.arg("--password");
    }
    command.args(args);
    command
}

/// What greets at the address; `None` if nothing does, which the client will say better.
fn flavour(url: &Url) -> Option<Flavour> {
    let host = url.host_str()?.trim_matches(['[', ']']);
    let address = (host, url.port().unwrap_or(PORT));
    let mut server = TcpStream::connect_timeout(&address.to_socket_addrs().ok()?.next()?, GREETING)
        .ok()
        .filter(|server| server.set_read_timeout(Some(GREETING)).is_ok())?;
    // Four bytes of header, the protocol, and the version up to a zero byte.
    let mut greeting = [0; 64];
    let read = server.read(&mut greeting).ok()?;
    let version = greeting.get(5..read)?;
    Some(Flavour::of_version(&String::from_utf8_lossy(version)))
}

fn not_started(error: &io::Error) -> Error {
    debug_assert_eq!(error.kind(), io::ErrorKind::NotFound);
    Error::local(
        "neither mariadb nor mysql is installed",
        "apt-get install mariadb-client (Debian, Ubuntu), dnf install mariadb, \
         brew install mariadb or mysql-client",
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    fn shown(command: &Command) -> Vec<&str> {
        command
            .get_args()
            .map(|arg| arg.to_str().unwrap())
            .collect()
    }

    #[test]
    fn the_password_goes_by_environment_and_never_by_argument() {
        let string = "mysql://a__b:s%40cr%2Bt@h:6306/a__b";
        let (url, password) = without_password(string).unwrap();
        let command = client("mariadb", &url, password.as_deref(), &["--ssl".into()]);
        assert_eq!(
            shown(&command),
            [
                "--no-defaults",
                "--protocol=tcp",
                "--host=h",
                "--port=6306",
                "--user=a__b",
                "--database=a__b",
                "--ssl"
            ]
        );
        let environment: Vec<_> = command.get_envs().collect();
        let (name, value) = ("MYSQL_PWD".as_ref(), Some("s@cr+t".as_ref()));
        assert_eq!(environment, [(name, value)]);
    }

    #[test]
    fn without_a_password_the_client_asks() {
        let (url, password) = without_password("mysql://a_dev@[::1]:6307/a_dev").unwrap();
        let command = client("mysql", &url, password.as_deref(), &[]);
        assert!(shown(&command).contains(&"--host=::1"));
        assert!(shown(&command).contains(&"--password"));
        assert_eq!(command.get_envs().count(), 0);
    }

    #[test]
    fn the_greeting_says_which_client_suits_best() {
        for (version, expected) in [
            ("5.5.5-10.11.14-MariaDB", Flavour::MariaDb),
            ("9.7.0", Flavour::MySql),
        ] {
            let door = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = door.local_addr().unwrap().port();
            let server = std::thread::spawn(move || {
                let (mut client, _) = door.accept().unwrap();
                let greeting = format!("\x4a\0\0\0\x0a{version}\0");
                client.write_all(greeting.as_bytes()).unwrap();
            });
            let url = Url::parse(&format!("mysql://a@127.0.0.1:{port}/a")).unwrap();
            assert_eq!(flavour(&url), Some(expected));
            server.join().unwrap();
        }
        let nobody = Url::parse("mysql://a@127.0.0.1:1/a").unwrap();
        assert_eq!(flavour(&nobody), None);
    }

    #[test]
    fn a_missing_client_says_what_to_install() {
        let error = not_started(&io::Error::from(io::ErrorKind::NotFound));
        let text = error.render("Connecting", crate::cli::print::Mode::Text);
        assert!(text.contains("mariadb-client"), "{text}");
    }
}
