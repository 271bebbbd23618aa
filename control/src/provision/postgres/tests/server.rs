//! The server of this test process, and what tests do with it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, Row as _};
use tenantsdb_codecs::feed::capture::Capture;
use tenantsdb_codecs::feed::id::{Engine, tenant_database, workspace_database};
use tenantsdb_codecs::feed::route::ServerTls;
use tenantsdb_codecs::scram::Verifier;
use tenantsdb_codecs::secret::Secret;

use crate::blueprint::{ChangeSet, Excluded, Statement, Version, compose};
use crate::provision::{Applied, Apply, Error, Failure, Provisioner, ServerLogin, TenantSpec};

const ADMIN_PASSWORD: &str = "the-admin-of-a-test-server";
/// Every login of the tests has it.
pub(super) const PASSWORD: &str = "the-password-of-a-test-login";

struct Server {
    port: u16,
    /// Its standard input is closed with this process; the shell then stops the server.
    _shell: Child,
}

/// A blueprint of a test's own, with its roles made.
pub(super) struct Blueprint {
    pub(super) name: String,
    pub(super) provisioner: Provisioner,
}

impl Blueprint {
    pub(super) async fn new(name: &str) -> Self {
        let blueprint = Self {
            name: name.to_owned(),
            provisioner: Provisioner::new(Engine::Postgres, admin_login()),
        };
        blueprint.provisioner.ensure_blueprint(name).await.unwrap();
        blueprint
    }

    /// Makes the workspace and gives a session of its login.
    pub(super) async fn workspace(&self) -> Client {
        self.provisioner
            .workspace_create(&self.name, &verifier())
            .await
            .unwrap();
        let database = workspace_database(&self.name);
        Client::login(&database, &database, PASSWORD).await.unwrap()
    }

    pub(super) async fn template(&self, versions: &[Version]) -> Result<(), Error> {
        let made = self.provisioner.template_ensure(&self.name, versions).await;
        made.map(|_| ())
    }

    /// Makes a tenant at the template of `ordinal`.
    pub(super) async fn tenant_with(
        &self,
        tenant: &str,
        ordinal: u32,
        allow_ddl: bool,
    ) -> Result<(), Error> {
        self.provisioner
            .tenant_create(TenantSpec {
                blueprint: &self.name,
                tenant,
                verifier: &verifier(),
                ordinal,
                allow_ddl,
                allow_truncate: false,
            })
            .await
    }

    /// Makes a tenant at these versions, with their template, and gives a session of its login.
    pub(super) async fn tenant(&self, tenant: &str, versions: &[Version]) -> Client {
        self.template(versions).await.unwrap();
        let ordinal = versions.last().map_or(0, |version| version.ordinal);
        self.tenant_with(tenant, ordinal, false).await.unwrap();
        self.client(tenant).await
    }

    pub(super) async fn client(&self, tenant: &str) -> Client {
        let database = tenant_database(&self.name, tenant);
        Client::login(&database, &database, PASSWORD).await.unwrap()
    }

    pub(super) async fn apply(
        &self,
        tenant: &str,
        versions: &[Version],
    ) -> Result<Applied, Failure> {
        self.provisioner
            .apply(Apply {
                database: &tenant_database(&self.name, tenant),
                blueprint: &self.name,
                versions,
                application_name: "tdb-deploy-test",
                lock_timeout: Duration::from_millis(200),
                statement_timeout: Duration::from_secs(60),
                known: 0,
                begun: u32::MAX,
                online: false,
            })
            .await
    }

    /// Composes what is not sealed, and seals it.
    pub(super) async fn seal(&self, captures: &[Capture]) -> Vec<ChangeSet> {
        let database = workspace_database(&self.name);
        let rows = self.provisioner.ledger_read(&database).await.unwrap();
        let sets = compose(&rows, captures, &Excluded::default());
        for set in &sets {
            let ids = &set.ledger_ids;
            self.provisioner.ledger_seal(&database, ids).await.unwrap();
        }
        sets
    }

    /// Seals, and gives the texts of each change set.
    pub(super) async fn sealed(&self, captures: &[Capture]) -> Vec<Vec<String>> {
        let texts = |set: ChangeSet| set.statements.into_iter().map(|s| s.ddl).collect();
        self.seal(captures).await.into_iter().map(texts).collect()
    }

    /// Seals, and gives versions from `ordinal` on.
    pub(super) async fn versions(&self, ordinal: u32) -> Vec<Version> {
        (ordinal..)
            .zip(self.seal(&[]).await)
            .map(|(ordinal, set)| Version {
                ordinal,
                statements: set.statements,
            })
            .collect()
    }
}

/// A plain session.
pub(crate) struct Client(PgConnection);

impl Client {
    pub(crate) async fn login(
        database: &str,
        user: &str,
        password: &str,
    ) -> Result<Self, sqlx::Error> {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(server().port)
            .username(user)
            .password(password)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
            .statement_cache_capacity(0)
            .disable_statement_logging();
        options.connect().await.map(Self)
    }

    pub(crate) async fn admin(database: &str) -> Self {
        Self::login(database, "postgres", ADMIN_PASSWORD)
            .await
            .unwrap()
    }

    /// One Query message.
    pub(crate) async fn run(&mut self, sql: &str) {
        self.try_run(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    pub(crate) async fn try_run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        self.0
            .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await
            .map(|_| ())
    }

    /// Parse, Bind, Execute, Sync.
    pub(super) async fn run_extended(&mut self, sql: &str) {
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        query.execute(&mut self.0).await.unwrap();
    }

    /// The SQLSTATE with which the server refuses.
    pub(super) async fn refused(&mut self, sql: &str) -> String {
        let error = self.try_run(sql).await.expect_err(sql);
        sqlstate(&error)
    }

    /// First column of the first row, as text.
    pub(crate) async fn value(&mut self, sql: &str) -> String {
        let rows = self.0.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql))).await;
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let row = rows.first().unwrap_or_else(|| panic!("{sql}: no row"));
        row.try_get::<Option<String>, _>(0)
            .unwrap()
            .unwrap_or_default()
    }

    pub(super) async fn pid(&mut self) -> i32 {
        self.value("SELECT pg_backend_pid()::text")
            .await
            .parse()
            .unwrap()
    }
}

pub(super) fn sqlstate(error: &sqlx::Error) -> String {
    let database = error
        .as_database_error()
        .unwrap_or_else(|| panic!("{error:?}"));
    database.code().unwrap_or_default().into_owned()
}

/// A statement as a workspace would have given it.
pub(super) fn statement(ddl: &str) -> Statement {
    Statement {
        ddl: ddl.to_owned(),
        tag: tenantsdb_codecs::sql::command_tag(ddl),
        search_path: "\"$user\", public".to_owned(),
        deploy: true,
        origin: crate::blueprint::Origin::Wire,
        captured_at: time::OffsetDateTime::UNIX_EPOCH,
        user: "test".to_owned(),
        application_name: String::new(),
        context: None,
        probe: None,
    }
}

/// Versions 1.1, 1.2, … of one statement each.
pub(super) fn versions(texts: &[&str]) -> Vec<Version> {
    (1..)
        .zip(texts)
        .map(|(ordinal, text)| Version {
            ordinal,
            statements: vec![statement(text)],
        })
        .collect()
}

pub(super) fn verifier() -> String {
    Verifier::derive(PASSWORD.as_bytes(), b"sixteen bytes ok", 4096).to_string()
}

pub(crate) fn admin_login() -> ServerLogin {
    ServerLogin {
        addr: format!("127.0.0.1:{}", server().port),
        tls: ServerTls::Disable,
        user: "postgres".to_owned(),
        password: Secret::new(ADMIN_PASSWORD.to_owned()),
        ca: None,
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

/// Starts a server that lives as long as this process: a shell beside it waits for the end of its
/// standard input.
fn start() -> Server {
    // PostgreSQL does not run as root: then the user `postgres` runs it, in a folder of its own.
    const SCRIPT: &str = r#"
        set -e
        umask 022
        data=$(mktemp -d "${TMPDIR:-/tmp}/tdb-control-test-XXXXXX")
        as=
        if [ "$(id -u)" = 0 ]; then
            chown postgres "$data"
            as="setpriv --reuid=postgres --regid=postgres --init-groups"
        fi
        printf '%s\n' "$3" > "$data/password"
        $as "$1/initdb" -D "$data/db" -U postgres --auth=scram-sha-256 \
            --pwfile="$data/password" -E UTF8 --locale=C.UTF-8 --no-sync > /dev/null
        $as "$1/postgres" -D "$data/db" -p "$2" -c listen_addresses=127.0.0.1 \
            -c unix_socket_directories= -c fsync=off -c synchronous_commit=off \
            -c full_page_writes=off -c max_connections=200 -c autovacuum=off \
            -c shared_buffers=32MB > "$data/log" 2>&1 < /dev/null &
        server=$!
        echo started
        read -r _ || true
        kill -QUIT "$server"
        wait "$server" || true
        rm -rf "$data"
    "#;
    let bin = bin_dir();
    let port = free_port();
    let mut child: Child = Command::new("sh")
        .args(["-c", SCRIPT, "sh"])
        .arg(&bin)
        .args([&port.to_string(), ADMIN_PASSWORD])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "started\n", "the test server did not start");
    wait_ready(&bin, port);
    Server {
        port,
        _shell: child,
    }
}

fn wait_ready(bin: &Path, port: u16) {
    let mut ready = Command::new(bin.join("pg_isready"));
    ready.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
    let mut pause = Command::new("sleep");
    pause.arg("0.1");
    for _ in 0..300 {
        if ready.status().unwrap().success() {
            return;
        }
        pause.status().unwrap();
    }
    panic!("the test server does not answer");
}

/// The newest PostgreSQL of the machine.
fn bin_dir() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .expect("these tests need a PostgreSQL server: apt-get install postgresql");
    let newest = versions.filter_map(Result::ok).max_by_key(|entry| {
        entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
    });
    newest.unwrap().path().join("bin")
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
