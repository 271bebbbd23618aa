//! Servers of a test's own, and what tests do with them.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, FromRedisValue, IntoConnectionInfo as _,
    RedisConnectionInfo,
};
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::route::ServerTls;
use tenantsdb_codecs::secret::Secret;

use crate::provision::{Provisioner, ServerLogin};

pub(crate) const ADMIN_PASSWORD: &str = "the-admin-of-a-test-server";

/// Longer than anything that the tests ask for takes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// One server, ended with the test.
pub(crate) struct Server {
    program: Vec<String>,
    options: Vec<String>,
    port: u16,
    dir: tempfile::TempDir,
    child: Child,
}

/// Makes each test one of either kind.
macro_rules! on_redis_and_valkey {
    ($($name:ident),* $(,)?) => {
        mod on_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::provision::redis_test_server::Server::redis(&[])).await;
            })*
        }
        mod on_valkey {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::provision::redis_test_server::Server::valkey(&[])).await;
            })*
        }
    };
}
pub(crate) use on_redis_and_valkey;

impl Server {
    pub(crate) fn redis(options: &[&str]) -> Self {
        Self::start("redis-server", options)
    }

    pub(crate) fn valkey(options: &[&str]) -> Self {
        Self::start("valkey-server", options)
    }

    fn start(name: &str, options: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let script = root.join("scripts/redis.sh");
        let output = Command::new("bash").arg(script).arg(name).output().unwrap();
        // What is missing, and the command that installs it.
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let program = String::from_utf8(output.stdout).unwrap();
        let program: Vec<String> = program.lines().map(str::to_owned).collect();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let child = spawn(&program, &options, port, dir.path());
        let server = Self {
            program,
            options,
            port,
            dir,
            child,
        };
        wait_ready(port);
        server
    }

    /// Ends it as a loss of power would, and starts it again: without an ACL file all accounts are
    /// gone, and without persistence all keys.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.begin();
    }

    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn begin(&mut self) {
        self.child = spawn(&self.program, &self.options, self.port, self.dir.path());
        wait_ready(self.port);
    }

    pub(crate) fn admin_login(&self) -> ServerLogin {
        ServerLogin {
            addr: format!("127.0.0.1:{}", self.port),
            tls: ServerTls::Disable,
            user: "default".to_owned(),
            password: Secret::new(ADMIN_PASSWORD.to_owned()),
            ca: None,
        }
    }

    pub(crate) fn provisioner(&self) -> Provisioner {
        Provisioner::new(Engine::Redis, self.admin_login())
    }

    pub(crate) async fn admin(&self) -> Login {
        self.login("default", ADMIN_PASSWORD).await.unwrap()
    }

    pub(crate) async fn login(&self, user: &str, password: &str) -> redis::RedisResult<Login> {
        let addr = ConnectionAddr::Tcp("127.0.0.1".to_owned(), self.port);
        let settings = RedisConnectionInfo::default()
            .set_username(user)
            .set_password(password)
            .set_skip_set_lib_name();
        let info = addr.into_connection_info()?.set_redis_settings(settings);
        let client = Client::open(info)?;
        // Filling a server takes longer than the crate waits by itself.
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_TIMEOUT));
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        Ok(Login(connection.await?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A session.
#[derive(Clone)]
pub(crate) struct Login(MultiplexedConnection);

impl Login {
    /// A command, its words separated by spaces.
    pub(crate) async fn ask<T: FromRedisValue>(&mut self, words: &str) -> redis::RedisResult<T> {
        let words: Vec<&str> = words.split(' ').collect();
        self.words(&words).await
    }

    pub(crate) async fn words<T: FromRedisValue>(
        &mut self,
        words: &[&str],
    ) -> redis::RedisResult<T> {
        let (name, args) = words.split_first().unwrap();
        redis::cmd(name).arg(args).query_async(&mut self.0).await
    }

    /// The server's words of refusal.
    pub(crate) async fn refused(&mut self, words: &[&str]) -> String {
        match self.words::<redis::Value>(words).await {
            Ok(answer) => panic!("{words:?} was done: {answer:?}"),
            Err(error) => format!(
                "{} {}",
                error.code().unwrap_or_default(),
                error.detail().unwrap_or_default()
            ),
        }
    }
}

fn spawn(program: &[String], options: &[String], port: u16, dir: &Path) -> Child {
    let (name, words) = program.split_first().unwrap();
    Command::new(name)
        .args(words)
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--save", "", "--appendonly", "no"])
        .args(["--requirepass", ADMIN_PASSWORD, "--dir"])
        .arg(dir)
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_ready(port: u16) {
    let mut pause = Command::new("sleep");
    pause.arg("0.03");
    for _ in 0..400 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        pause.status().unwrap();
    }
    panic!("the test server does not answer");
}

pub(super) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
