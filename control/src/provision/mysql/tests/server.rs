//! The servers of this test process, and what tests do with them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, Row as _};
use tenantsdb_codecs::feed::id::{Engine, tenant_database, workspace_database};
use tenantsdb_codecs::feed::route::ServerTls;
use tenantsdb_codecs::secret::Secret;

use super::super::names::hex;
use crate::blueprint::{Statement, Version};
use crate::provision::{
    Applied, Apply, Error, Failure, Found, Provisioner, Server as Engines, ServerLogin, TenantSpec,
};
use tenantsdb_codecs::mysql::Flavour;
use tenantsdb_codecs::mysql::auth::{native, sha2};

const ADMIN: &str = "admin";
const ADMIN_PASSWORD: &str = "the-admin-of-a-test-server";
/// Every login of the tests has it.
pub(super) const PASSWORD: &str = "the-password-of-a-test-login";

/// One of the two.
pub(crate) struct Server {
    pub(super) flavour: Flavour,
    port: u16,
    /// Its standard input is closed with this process; the shell then stops the server.
    _shell: Child,
}

/// Makes each test one of either flavour.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod mariadb {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::provision::mysql_test_server::mariadb()).await;
            })*
        }
        mod mysql {
            $(#[tokio::test]
            async fn $name() {
                if let Some(server) = $crate::provision::mysql_test_server::mysql() {
                    super::$name(server).await;
                }
            })*
        }
    };
}
pub(crate) use on_both;

/// A blueprint of a test's own.
pub(super) struct Blueprint {
    pub(super) name: String,
    pub(super) server: &'static Server,
    pub(super) provisioner: Provisioner,
    verifier: String,
}

impl Blueprint {
    pub(super) async fn new(server: &'static Server, name: &str) -> Self {
        let provisioner = Provisioner::new(Engine::MySql, server.admin_login());
        Self {
            name: name.to_owned(),
            server,
            provisioner,
            verifier: server.verifier(),
        }
    }

    pub(super) fn mysql(&self) -> &super::super::MySql {
        match &self.provisioner.server {
            Engines::MySql(server) => server,
            _ => panic!("a test of MySQL was given another server"),
        }
    }

    pub(super) fn verifier(&self) -> &str {
        &self.verifier
    }

    pub(super) fn database(&self, tenant: &str) -> String {
        tenant_database(&self.name, tenant)
    }

    /// Makes the workspace and gives a session of its login.
    pub(super) async fn workspace(&self) -> Client {
        let made = self
            .provisioner
            .workspace_create(&self.name, &self.verifier);
        made.await.unwrap();
        let database = workspace_database(&self.name);
        self.server.login(&database, PASSWORD, &database).await
    }

    /// Makes the template and keeps in the versions what it found.
    pub(super) async fn template(&self, versions: &mut [Version]) -> Result<Vec<Found>, Error> {
        let made = self.provisioner.template_ensure(&self.name, versions).await;
        if let Ok(found) = &made {
            for (ordinal, place, probe) in found {
                let version = versions.iter_mut().find(|v| v.ordinal == *ordinal);
                let at = usize::try_from(*place).unwrap() - 1;
                version.unwrap().statements[at].probe = Some(probe.clone());
            }
        }
        made
    }

    pub(super) async fn tenant_with(
        &self,
        tenant: &str,
        ordinal: u32,
        (allow_ddl, allow_truncate): (bool, bool),
    ) -> Result<(), Error> {
        self.provisioner
            .tenant_create(TenantSpec {
                blueprint: &self.name,
                tenant,
                verifier: &self.verifier,
                ordinal,
                allow_ddl,
                allow_truncate,
            })
            .await
    }

    /// Makes a tenant at these versions, with their template, and gives a session of its login.
    pub(super) async fn tenant(&self, tenant: &str, versions: &mut [Version]) -> Client {
        self.template(versions).await.unwrap();
        let ordinal = versions.last().map_or(0, |version| version.ordinal);
        self.tenant_with(tenant, ordinal, (false, false))
            .await
            .unwrap();
        self.client(tenant).await
    }

    pub(super) async fn client(&self, tenant: &str) -> Client {
        let database = self.database(tenant);
        self.server.login(&database, PASSWORD, &database).await
    }

    pub(super) async fn apply(
        &self,
        tenant: &str,
        versions: &[Version],
    ) -> Result<Applied, Failure> {
        self.apply_known(tenant, versions, (0, u32::MAX)).await
    }

    /// Applies as control that knows `known` and may have begun `begun`.
    pub(super) async fn apply_known(
        &self,
        tenant: &str,
        versions: &[Version],
        (known, begun): (u32, u32),
    ) -> Result<Applied, Failure> {
        let database = self.database(tenant);
        self.provisioner
            .apply(Apply {
                known,
                begun,
                ..apply_of(&self.name, &database, versions)
            })
            .await
    }
}

pub(super) fn apply_of<'a>(
    blueprint: &'a str,
    database: &'a str,
    versions: &'a [Version],
) -> Apply<'a> {
    Apply {
        database,
        blueprint,
        versions,
        application_name: "tdb-deploy-test",
        lock_timeout: Duration::from_secs(1),
        statement_timeout: Duration::from_secs(60),
        known: 0,
        begun: u32::MAX,
        online: false,
    }
}

impl Server {
    pub(crate) fn admin_login(&self) -> ServerLogin {
        ServerLogin {
            addr: format!("127.0.0.1:{}", self.port),
            tls: ServerTls::Disable,
            user: ADMIN.to_owned(),
            password: Secret::new(ADMIN_PASSWORD.to_owned()),
            ca: None,
        }
    }

    pub(crate) async fn admin(&self) -> Client {
        self.login(ADMIN, ADMIN_PASSWORD, "mysql").await
    }

    pub(crate) async fn login(&self, user: &str, password: &str, database: &str) -> Client {
        self.try_login(user, password, database)
            .await
            .unwrap_or_else(|error| panic!("{user}: {error:?}"))
    }

    pub(crate) async fn try_login(
        &self,
        user: &str,
        password: &str,
        database: &str,
    ) -> Result<Client, sqlx::Error> {
        let options = MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(self.port)
            .username(&tenantsdb_codecs::mysql::account_name(user))
            .password(password)
            .database(database)
            .ssl_mode(MySqlSslMode::Disabled)
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .disable_statement_logging();
        options.connect().await.map(Client)
    }

    /// What control would store of [`PASSWORD`].
    fn verifier(&self) -> String {
        let password = PASSWORD.as_bytes();
        match self.flavour {
            Flavour::MariaDb => native::verifier(password).to_string(),
            Flavour::MySql => {
                let stored = sha2::crypt(password, b"twenty bytes of salt");
                let stored = hex(stored.as_bytes());
                format!("{}${stored}", sha2::verifier(password))
            }
        }
    }
}

/// A plain session.
pub(crate) struct Client(MySqlConnection);

impl Client {
    /// One COM_QUERY.
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

    /// The number with which the server refuses.
    pub(super) async fn refused(&mut self, sql: &str) -> u16 {
        number(&self.try_run(sql).await.expect_err(sql))
    }

    /// Id and state of an account's threads; [`super::super::threads`] says why not by a query.
    pub(super) async fn threads(&mut self, user: &str) -> Vec<(String, String)> {
        let rows = self.0.fetch_all(sqlx::raw_sql("SHOW PROCESSLIST")).await;
        let rows = rows.unwrap();
        let column = |row: &sqlx::mysql::MySqlRow, n: usize| {
            let value = row.try_get_unchecked::<Option<String>, _>(n);
            value.unwrap().unwrap_or_default()
        };
        let own = rows.iter().filter(|row| column(row, 1) == user);
        own.map(|row| (column(row, 0), column(row, 6))).collect()
    }

    /// First column of the first row, as text; empty if it is NULL or there is no row.
    pub(crate) async fn value(&mut self, sql: &str) -> String {
        let rows = self.0.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql))).await;
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let value = |row: &sqlx::mysql::MySqlRow| {
            row.try_get_unchecked::<Option<String>, _>(0)
                .unwrap()
                .unwrap_or_default()
        };
        rows.first().map(value).unwrap_or_default()
    }
}

pub(super) fn number(error: &sqlx::Error) -> u16 {
    let database = error
        .as_database_error()
        .unwrap_or_else(|| panic!("{error:?}"));
    database
        .try_downcast_ref::<MySqlDatabaseError>()
        .unwrap()
        .number()
}

/// A statement as a workspace would have given it.
pub(super) fn statement(ddl: &str) -> Statement {
    Statement {
        ddl: ddl.to_owned(),
        tag: tenantsdb_codecs::sql::mysql::tag(ddl),
        search_path: String::new(),
        deploy: true,
        origin: crate::blueprint::Origin::Wire,
        captured_at: time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000),
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

pub(crate) fn mariadb() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let mariadbd = ["/usr/sbin/mariadbd", "/usr/local/sbin/mariadbd"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .expect("these tests need a MariaDB server: apt-get install mariadb-server");
        start(
            Flavour::MariaDb,
            &[mariadbd.to_owned(), "--no-defaults".to_owned()],
        )
    })
}

/// `None`, loudly, where Oracle's MySQL cannot be had.
pub(crate) fn mysql() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER
        .get_or_init(|| start_mysql(&["--skip-log-bin"]))
        .as_ref()
}

/// One in whose grants `_` is no wildcard, and that has a binary log.
pub(super) fn mysql_with_partial_revokes() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let options = ["--partial-revokes=ON", "--log-bin"];
    SERVER.get_or_init(|| start_mysql(&options)).as_ref()
}

fn start_mysql(options: &[&str]) -> Option<Server> {
    match mysqld() {
        Ok(mut words) => {
            words.extend(options.iter().map(|option| (*option).to_owned()));
            Some(start(Flavour::MySql, &words))
        }
        Err(reason) => {
            eprintln!("NOT RUN: no MySQL 9: {reason}");
            None
        }
    }
}

/// The start of the command that runs it.
fn mysqld() -> Result<Vec<String>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let script = root.join("scripts/mysql.sh");
    if !script.exists() {
        return unpacked();
    }
    let output = Command::new("bash").arg(script).arg("mysqld").output();
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stdout);
    Ok(words.lines().map(str::to_owned).collect())
}

fn unpacked() -> Result<Vec<String>, String> {
    let home = std::env::var_os("TENANTSDB_MYSQL_DIR").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cache/tenantsdb/mysql")));
    let home = home.ok_or("no home directory")?;
    let libraries = home.join("usr/lib/x86_64-linux-gnu");
    let loader = libraries.join("ld-linux-x86-64.so.2");
    if !loader.exists() {
        return Err(format!("{} is not there", loader.display()));
    }
    let home = home.display();
    Ok(vec![
        loader.display().to_string(),
        "--library-path".to_owned(),
        format!("{}:{home}/usr/lib/mysql/private", libraries.display()),
        format!("{home}/usr/sbin/mysqld"),
        "--no-defaults".to_owned(),
        format!("--plugin-dir={home}/usr/lib/mysql/plugin"),
        format!("--character-sets-dir={home}/usr/share/mysql/charsets"),
        format!("--basedir={home}/usr"),
        format!("--lc-messages-dir={home}/usr/share/mysql"),
    ])
}

/// Starts a server that lives as long as this process: a shell beside it waits for the end of its
/// standard input.
fn start(flavour: Flavour, program: &[String]) -> Server {
    const SCRIPT: &str = r#"
        set -e
        umask 022
        flavour=$1 port=$2 password=$3
        shift 3
        data=$(mktemp -d "${TMPDIR:-/tmp}/tdb-control-mysql-XXXXXX")
        user=$(id -un)
        cat > "$data/init" <<SQL
CREATE USER 'admin'@'%' IDENTIFIED BY '$password';
GRANT ALL PRIVILEGES ON *.* TO 'admin'@'%' WITH GRANT OPTION;
SQL
        if [ "$flavour" = mariadb ]; then
            if [ "$(id -u)" = 0 ]; then user=mysql; chown -R mysql "$data"; fi
            mariadb-install-db --no-defaults --user="$user" --datadir="$data/db" \
                --auth-root-authentication-method=normal --skip-test-db > "$data/log" 2>&1
        else
            mkdir "$data/db"
            "$@" --datadir="$data/db" --user="$user" --initialize-insecure > "$data/log" 2>&1
            set -- "$@" --mysqlx=OFF --performance-schema=OFF
        fi
        "$@" --datadir="$data/db" --user="$user" --socket="$data/s" --pid-file="$data/pid" \
            --port="$port" --bind-address=127.0.0.1 --init-file="$data/init" \
            --secure-file-priv= --max-connections=300 --innodb-flush-log-at-trx-commit=0 \
            --innodb-buffer-pool-size=64M --skip-name-resolve \
            >> "$data/log" 2>&1 < /dev/null &
        server=$!
        echo started
        read -r _ || true
        kill -KILL "$server"
        wait "$server" 2> /dev/null || true
        rm -rf "$data"
    "#;
    let port = free_port();
    let name = match flavour {
        Flavour::MariaDb => "mariadb",
        Flavour::MySql => "mysql",
    };
    let mut child = Command::new("sh")
        .args(["-c", SCRIPT, "sh", name, &port.to_string(), ADMIN_PASSWORD])
        .args(program)
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
    wait_ready(port);
    Server {
        flavour,
        port,
        _shell: child,
    }
}

/// It listens when the init file has been run.
fn wait_ready(port: u16) {
    let mut pause = Command::new("sleep");
    pause.arg("0.1");
    for _ in 0..600 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        pause.status().unwrap();
    }
    panic!("the test server does not answer");
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
