//! Servers of a test's own: SecantusDB, which stands in for mongod.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::options::{AuthMechanism, ClientOptions, Credential, ServerAddress};
use mongodb::{Client, Database};
use tenantsdb_codecs::feed::id::{Engine, tenant_database, workspace_database};
use tenantsdb_codecs::feed::route::ServerTls;
use tenantsdb_codecs::secret::Secret;
use time::OffsetDateTime;

use crate::blueprint::{Origin, Statement, Version};
use crate::provision::{
    Applied, Apply, Error, Failure, Found, Provisioner, Server as Engines, ServerLogin, TenantSpec,
};

pub(crate) const ADMIN: &str = "admin";
pub(crate) const ADMIN_PASSWORD: &str = "the-admin-of-a-test-server";
/// Every login of the tests has it.
pub(crate) const PASSWORD: &str = "the-password-of-a-test-login";

/// One server, ended with the test.
pub(crate) struct Server {
    port: u16,
    _dir: tempfile::TempDir,
    child: Child,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// One that takes connections through TLS only.
    pub(crate) async fn start_tls(cert: &Path, key: &Path) -> Self {
        let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
        Self::start_with(&["--tls-cert-file", cert, "--tls-key-file", key]).await
    }

    /// With options that it has from its second start on.
    async fn start_with(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let child = spawn(port, dir.path(), &[]);
        let mut server = Self {
            port,
            _dir: dir,
            child,
        };
        wait_ready(port);
        // The first user is made while anybody may.
        let made = doc! {"createUser": ADMIN, "pwd": ADMIN_PASSWORD, "roles": ["root"]};
        let nobody = server.client(None);
        nobody.database("admin").run_command(made).await.unwrap();
        nobody.shutdown().await;
        server.stop();
        let options = [&["--auth"], options].concat();
        server.child = spawn(port, server._dir.path(), &options);
        wait_ready(port);
        server
    }

    /// One that lets everybody in.
    pub(crate) fn start_open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let child = spawn(port, dir.path(), &[]);
        wait_ready(port);
        Self {
            port,
            _dir: dir,
            child,
        }
    }

    pub(crate) fn stop(&mut self) {
        // As a program that is ended, so that it writes what it has.
        let id = self.child.id().to_string();
        Command::new("kill").arg(id).status().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn admin_login(&self) -> ServerLogin {
        ServerLogin {
            addr: format!("127.0.0.1:{}", self.port),
            tls: ServerTls::Disable,
            user: ADMIN.to_owned(),
            password: Secret::new(ADMIN_PASSWORD.to_owned()),
            ca: None,
        }
    }

    pub(crate) fn provisioner(&self) -> Provisioner {
        Provisioner::new(Engine::MongoDb, self.admin_login())
    }

    /// A client that is nobody, or a user of a database.
    pub(crate) fn client(&self, login: Option<(&str, &str, &str)>) -> Client {
        let credential = login.map(|(user, source, password)| {
            Credential::builder()
                .username(user.to_owned())
                .source(source.to_owned())
                .password(password.to_owned())
                // Not every server says which one a user has.
                .mechanism(AuthMechanism::ScramSha256)
                .build()
        });
        let mut options = ClientOptions::builder()
            .hosts(vec![ServerAddress::Tcp {
                host: "127.0.0.1".to_owned(),
                port: Some(self.port),
            }])
            .direct_connection(true)
            .server_selection_timeout(Duration::from_secs(10))
            .build();
        options.credential = credential;
        Client::with_options(options).unwrap()
    }

    pub(crate) fn admin(&self, database: &str) -> Database {
        self.client(Some((ADMIN, "admin", ADMIN_PASSWORD)))
            .database(database)
    }

    /// A database as its own login sees it.
    pub(crate) fn login(&self, database: &str, password: &str) -> Database {
        self.client(Some((database, database, password)))
            .database(database)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A blueprint of a test's own.
pub(super) struct Blueprint {
    pub(super) name: String,
    pub(super) server: Server,
    pub(super) provisioner: Provisioner,
}

impl Blueprint {
    pub(super) async fn new(name: &str) -> Self {
        let server = Server::start().await;
        Self {
            name: name.to_owned(),
            provisioner: server.provisioner(),
            server,
        }
    }

    pub(super) fn mongo(&self) -> &super::super::Mongo {
        match &self.provisioner.server {
            Engines::Mongo(server) => server,
            _ => panic!("a test of MongoDB was given another server"),
        }
    }

    pub(super) fn tenant_database(&self, tenant: &str) -> String {
        tenant_database(&self.name, tenant)
    }

    pub(super) fn workspace_database(&self) -> String {
        workspace_database(&self.name)
    }

    pub(super) async fn workspace(&self) -> Result<(), Error> {
        let verifier = self.password(&self.workspace_database()).await?;
        let made = self.provisioner.workspace_create(&self.name, &verifier);
        made.await
    }

    pub(super) async fn password(&self, user: &str) -> Result<String, Error> {
        let password = Secret::new(PASSWORD.to_owned());
        self.provisioner.check_free(user).await?;
        self.provisioner.login_password(user, &password).await
    }

    pub(super) async fn tenant(
        &self,
        tenant: &str,
        ordinal: u32,
        allow_ddl: bool,
    ) -> Result<(), Error> {
        let verifier = self.password(&self.tenant_database(tenant)).await?;
        let spec = TenantSpec {
            blueprint: &self.name,
            tenant,
            verifier: &verifier,
            ordinal,
            allow_ddl,
            allow_truncate: false,
        };
        self.provisioner.tenant_create(spec).await
    }

    /// As the administrator.
    pub(super) fn admin(&self, tenant: &str) -> Database {
        self.server.admin(&self.tenant_database(tenant))
    }

    pub(super) async fn template(&self, versions: &[Version]) -> Result<Vec<Found>, Error> {
        self.provisioner.template_ensure(&self.name, versions).await
    }

    pub(super) async fn apply(
        &self,
        tenant: &str,
        versions: &[Version],
        known: u32,
    ) -> Result<Applied, Failure> {
        let apply = Apply {
            database: &self.tenant_database(tenant),
            blueprint: &self.name,
            versions,
            application_name: "tdb-deploy-test",
            lock_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(20),
            known,
            begun: versions.last().map_or(known, |version| version.ordinal),
            online: false,
        };
        self.provisioner.apply(apply).await
    }
}

/// Versions of one or more commands each, with what their replay left.
pub(super) fn versions(texts: &[&[&str]]) -> Vec<Version> {
    (1..)
        .zip(texts)
        .map(|(ordinal, texts)| Version {
            ordinal,
            statements: texts.iter().map(|text| statement(text)).collect(),
        })
        .collect()
}

/// Notes what a replay left, as control's store does.
pub(super) fn with_found(mut versions: Vec<Version>, found: &[Found]) -> Vec<Version> {
    for (ordinal, place, probe) in found {
        let version = versions.iter_mut().find(|one| one.ordinal == *ordinal);
        let at = usize::try_from(*place - 1).unwrap();
        version.unwrap().statements[at].probe = Some(probe.clone());
    }
    versions
}

fn statement(text: &str) -> Statement {
    Statement {
        ddl: text.to_owned(),
        tag: String::new(),
        search_path: String::new(),
        deploy: true,
        origin: Origin::Wire,
        captured_at: OffsetDateTime::UNIX_EPOCH,
        user: String::new(),
        application_name: String::new(),
        context: None,
        probe: None,
    }
}

/// The code of the error that a command was refused with.
pub(crate) async fn refused(database: &Database, command: Document) -> i32 {
    match database.run_command(command.clone()).await {
        Ok(answer) => panic!("{command} was done: {answer}"),
        Err(error) => match *error.kind {
            mongodb::error::ErrorKind::Command(refused) => refused.code,
            other => panic!("{command}: {other:?}"),
        },
    }
}

/// The server's program, or how to get it.
fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("TENANTSDB_TEST_SECANTUSD") {
        return program.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let program = root.join(".venv/bin/secantusd-py");
    assert!(
        program.exists(),
        "these tests need SecantusDB; run: scripts/install.sh test, or \
         python3 -m venv .venv && .venv/bin/pip install SecantusDB; or say where its program is in \
         TENANTSDB_TEST_SECANTUSD"
    );
    program
}

fn spawn(port: u16, dir: &Path, options: &[&str]) -> Child {
    Command::new(program())
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .arg("--storage-path")
        .arg(dir)
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_ready(port: u16) {
    for _ in 0..400 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        Command::new("sleep").arg("0.05").status().unwrap();
    }
    panic!("the test server does not answer");
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
