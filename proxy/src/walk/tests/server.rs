//! A real server for tests, and connections to it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tenantsdb_codecs::redis::value::Value;
use tokio::net::TcpStream;
use tokio::time::{Duration, sleep};

use crate::walk::ask::Asker;

/// How often the server is looked for, and for how long.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOKS_MAX: u32 = 500;

/// A Redis server without a file, ended on drop.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    _dir: TempDir,
}

/// Where the server's program is.
fn program() -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/redis.sh");
    let found = Command::new(script).arg("redis-server").output().unwrap();
    let why = String::from_utf8_lossy(&found.stderr);
    assert!(found.status.success(), "{why}");
    let words = String::from_utf8(found.stdout).unwrap();
    words.lines().map(str::to_owned).collect()
}

/// A port that nobody listens on now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Server {
    /// Starts one that has the logins of these tenants, as control makes them: `app__acme` and
    /// `app__acme:walk` for `acme`.
    pub(crate) async fn start(tenants: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let words = program();
        let process = Command::new(&words[0])
            .args(&words[1..])
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            process,
            port,
            _dir: dir,
        };
        let mut admin = server.connect().await;
        for tenant in tenants {
            let keys = format!("~{tenant}:*");
            let channels = format!("&{tenant}:*");
            let about_keys = format!("&__keyspace@0__:{tenant}:*");
            let user = format!("app__{tenant}");
            let mut rules = vec!["ACL", "SETUSER", &user, "on", "nopass", "resetkeys"];
            rules.extend([
                "resetchannels",
                &keys,
                &channels,
                &about_keys,
                "+@all",
                "-@admin",
            ]);
            rules.extend(["-@dangerous", "-scan", "-dbsize", "-randomkey", "-pubsub"]);
            ask(&mut admin, &rules).await;
            let user = format!("{user}:walk");
            let mut rules = vec!["ACL", "SETUSER", &user, "on", "nopass", "resetkeys"];
            rules.extend([
                "resetchannels",
                "-@all",
                "+command",
                "+ping",
                "+scan",
                "+info",
            ]);
            rules.extend([
                "+pubsub|channels",
                "+pubsub|numsub",
                "+pubsub|shardchannels",
            ]);
            rules.push("+pubsub|shardnumsub");
            ask(&mut admin, &rules).await;
        }
        server
    }

    /// As the administrator.
    pub(crate) async fn connect(&self) -> TcpStream {
        for _ in 0..LOOKS_MAX {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)).await {
                return stream;
            }
            sleep(LOOK_EVERY).await;
        }
        panic!("the server does not listen");
    }

    /// As a user.
    pub(crate) async fn connect_as(&self, user: &str) -> TcpStream {
        let mut stream = self.connect().await;
        ask(&mut stream, &["AUTH", user, "x"]).await;
        stream
    }
}

impl Server {
    /// Ends it.
    pub(crate) fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Asks, whatever the answer, which must be no error.
pub(crate) async fn ask(stream: &mut TcpStream, words: &[&str]) -> String {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut asker = Asker::new(stream);
    match asker.ask(&words).await.unwrap() {
        Value::Bulk(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}
