//! MySQL and MariaDB: schemas and accounts.

use tenantsdb_codecs::secret::Secret;

use super::{
    Applied, Apply, Error, Facts, Failure, Fingerprint, Found, ServerLogin, Table, TenantSpec,
};
use crate::blueprint::{LedgerRow, Snapshot, Version};

/// One MySQL or MariaDB server. Clones share its bounds.
#[derive(Clone, Debug)]
pub(super) struct MySql {
    login: ServerLogin,
}

impl MySql {
    pub(super) fn new(login: ServerLogin) -> Self {
        Self { login }
    }

    fn not_served<T>(&self) -> Result<T, Error> {
        Err(Error::Refused(format!(
            "{} is MySQL, which is not served yet",
            self.login.addr
        )))
    }

    pub(super) async fn register(&self) -> Result<Facts, Error> {
        self.not_served()
    }

    pub(super) async fn ensure_blueprint(&self, _blueprint: &str) -> Result<(), Error> {
        self.not_served()
    }

    pub(super) async fn drop_blueprint(&self, _blueprint: &str) -> Result<(), Error> {
        self.not_served()
    }

    pub(super) async fn workspace_create(
        &self,
        _blueprint: &str,
        _verifier: &str,
    ) -> Result<(), Error> {
        self.not_served()
    }

    pub(super) async fn workspace_drop(&self, _blueprint: &str) -> Result<(), Error> {
        self.not_served()
    }

    pub(super) async fn template_ensure(
        &self,
        _blueprint: &str,
        _versions: &[Version],
    ) -> Result<Vec<Found>, Error> {
        self.not_served()
    }

    pub(super) async fn template_check(
        &self,
        _blueprint: &str,
        _ordinal: u32,
        _workspace_database: &str,
    ) -> Result<(), Error> {
        self.not_served()
    }

    pub(super) async fn tenant_create(&self, _tenant: TenantSpec<'_>) -> Result<(), Error> {
        self.not_served()
    }

    pub(super) async fn tenant_drop(&self, _blueprint: &str, _tenant: &str) -> Result<(), Error> {
        self.not_served()
    }

    pub(super) async fn login_disable(&self, _user: &str) -> Result<(), Error> {
        self.not_served()
    }

    pub(super) async fn login_enable(&self, _user: &str) -> Result<(), Error> {
        self.not_served()
    }

    pub(super) async fn login_rotate(&self, _user: &str, _verifier: &str) -> Result<(), Error> {
        self.not_served()
    }

    pub(super) async fn terminate(&self, _database: &str) -> Result<(), Error> {
        self.not_served()
    }

    pub(super) async fn ledger_read(&self, _database: &str) -> Result<Vec<LedgerRow>, Error> {
        Ok(Vec::new())
    }

    pub(super) async fn ledger_seal(&self, _database: &str, _ids: &[i64]) -> Result<(), Error> {
        Ok(())
    }

    pub(super) async fn tables(&self, _database: &str) -> Result<Vec<Table>, Error> {
        self.not_served()
    }

    pub(super) async fn fingerprint(&self, _database: &str) -> Result<Fingerprint, Error> {
        self.not_served()
    }

    pub(super) async fn snapshot(&self, _database: &str) -> Result<Snapshot, Error> {
        self.not_served()
    }

    pub(super) async fn threads_alive(&self, _threads: &[i64]) -> Result<Vec<i64>, Error> {
        self.not_served()
    }

    pub(super) async fn login_warm(
        &self,
        _user: &str,
        _password: &Secret<String>,
    ) -> Result<(), Error> {
        self.not_served()
    }

    pub(super) async fn apply(&self, _apply: Apply<'_>) -> Result<Applied, Failure> {
        Err(Failure {
            from: None,
            to: None,
            sqlstate: None,
            message: "MySQL is not served yet".to_owned(),
            statement: None,
            unreachable: false,
            needs_attention: false,
        })
    }
}
