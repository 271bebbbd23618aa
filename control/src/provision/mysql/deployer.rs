//! The deploy account of a database: the definer of all that is in it, and the one login that
//! captured text runs in.
//!
//! It has all rights on its one schema and none elsewhere. It is locked, but for the moment in
//! which control logs in to it with a password made for that moment; programs of a locked definer
//! run. What an attempt left running is ended before the next one and behind each.

use tenantsdb_codecs::mysql::auth::{native, sha2};
use tenantsdb_codecs::secret::Secret;

use super::accounts::{self, Rights, account_of_name};
use super::connect::{Fault, MySql, Session};
use super::names::{deploy_account_name, hex};
use super::threads::{Threads, end_threads};
use crate::provision::Error;
use tenantsdb_codecs::mysql::Flavour;

/// Random bytes of a password that is good for one login.
const PASSWORD_BYTES: usize = 32;
/// Of what `caching_sha2_password` stores.
const SALT_BYTES: usize = 20;

/// The sessions of one piece of work as a deploy account.
pub(super) struct Deployer {
    /// Runs captured text.
    pub(super) work: Session,
    /// Runs statements of ours: reads and writes the marker. What captured text does to its own
    /// session does not reach it.
    pub(super) marker: Session,
}

impl MySql {
    /// Makes a database's deploy account, locked. The schema may be missing still.
    pub(super) async fn deployer_create(
        &self,
        admin: &mut Session,
        database: &str,
    ) -> Result<(), Fault> {
        let name = deploy_account_name(database);
        accounts::ensure_ours(admin, &name, database).await?;
        let identified = identified(admin.flavour, &password()?)?;
        let own = account_of_name(&name);
        let create = format!("CREATE USER IF NOT EXISTS {own} {identified} ACCOUNT LOCK");
        admin.run(&create).await?;
        admin.run(&format!("ALTER USER {own} ACCOUNT LOCK")).await?;
        end_threads(admin, &Threads::Of(&name)).await?;
        accounts::grant(admin, &name, database, Rights::All).await
    }

    /// Ends what an earlier attempt left, and logs in twice. Who calls holds
    /// [`MySql::database_alone`], and calls [`MySql::deployer_close`] behind it.
    pub(super) async fn deployer_open(&self, database: &str) -> Result<Deployer, Fault> {
        let name = deploy_account_name(database);
        let password = password()?;
        let mut admin = self.admin().await?;
        let own = account_of_name(&name);
        let opened = async {
            admin.run(&format!("ALTER USER {own} ACCOUNT LOCK")).await?;
            end_threads(&mut admin, &Threads::Of(&name)).await?;
            let identified = identified(admin.flavour, &password)?;
            admin
                .run(&format!("ALTER USER {own} {identified} ACCOUNT UNLOCK"))
                .await?;
            let database = Some(database);
            let marker = self.session_of(&name, password.expose(), database).await?;
            let work = self.session_of(&name, password.expose(), database).await?;
            Ok(Deployer { work, marker })
        }
        .await;
        // Open sessions stay; nobody else gets in.
        let locked = admin.run(&format!("ALTER USER {own} ACCOUNT LOCK")).await;
        admin.close().await;
        let deployer: Result<Deployer, Fault> = opened;
        let deployer = deployer?;
        locked?;
        Ok(deployer)
    }

    /// Ends all sessions of a database's deploy account, whatever they are at, and waits for it.
    pub(super) async fn deployer_close(&self, database: &str) -> Result<(), Error> {
        let name = deploy_account_name(database);
        let own = account_of_name(&name);
        self.admin_once(async |admin| {
            admin.run(&format!("ALTER USER {own} ACCOUNT LOCK")).await?;
            end_threads(admin, &Threads::Of(&name)).await
        })
        .await
    }
}

// === impl Deployer ===

impl Deployer {
    /// Ends both sessions, if they are idle.
    pub(super) async fn close(self) {
        self.work.close().await;
        self.marker.close().await;
    }
}

/// Hands the server what it stores of a password, so that the password itself stands in no
/// statement.
fn identified(flavour: Flavour, password: &Secret<String>) -> Result<String, Fault> {
    let password = password.expose().as_bytes();
    let verifier = match flavour {
        Flavour::MariaDb => native::verifier(password).to_string(),
        Flavour::MySql => {
            let mut salt = [0_u8; SALT_BYTES];
            random(&mut salt)?;
            let stored = sha2::crypt(password, &salt);
            format!("{}${}", sha2::verifier(password), hex(stored.as_bytes()))
        }
    };
    accounts::identified(flavour, &verifier)
}

fn password() -> Result<Secret<String>, Error> {
    let mut bytes = [0_u8; PASSWORD_BYTES];
    random(&mut bytes)?;
    Ok(Secret::new(hex(&bytes)))
}

fn random(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|error| Error::Server {
        sqlstate: String::new(),
        message: format!("no random bytes: {error}"),
    })
}
