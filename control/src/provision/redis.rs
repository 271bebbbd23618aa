//! Redis and Valkey: one server, a namespace of keys and channels for each database, and accounts
//! that reach nothing outside of theirs. What the accounts may do is the wall between tenants; each
//! piece of it is tried against real servers in the tests.
//!
//! There is no schema and nothing to replay: a blueprint is settings, and of them only which
//! commands there are is the server's affair. What an account may do is said whole each time, so
//! saying it again heals it.
//!
//! - [`connect`]: bounded sessions, errors in our terms.
//! - [`catalog`]: which commands the server has, and of which category they are.
//! - [`acl`]: what accounts may do.
//! - [`register`]: may this server be used?
//! - [`accounts`]: the accounts of databases, and the mark by which their loss is noticed.
//! - [`keys`]: removing what a database leaves.
//! - [`verbs`]: what a [`super::Provisioner`] is asked for all this.

mod accounts;
mod acl;
mod catalog;
mod connect;
mod keys;
mod register;
mod verbs;

pub(super) use self::connect::Redis;
use super::{Applied, Apply, Error, Failure, Fingerprint, Found, Table, TenantSpec};
use crate::blueprint::{LedgerRow, Version};

/// The verbs that mean nothing here, or need what only [`super::Account`] says.
#[expect(clippy::unused_async, reason = "verbs")]
impl Redis {
    pub(super) async fn ensure_blueprint(&self, _blueprint: &str) -> Result<(), Error> {
        // No roles: each account says all that it may do.
        Ok(())
    }

    pub(super) async fn drop_blueprint(&self, _blueprint: &str) -> Result<(), Error> {
        Ok(())
    }

    pub(super) async fn workspace_create(
        &self,
        _blueprint: &str,
        _verifier: &str,
    ) -> Result<(), Error> {
        Err(by_account())
    }

    pub(super) async fn workspace_drop(&self, _blueprint: &str) -> Result<(), Error> {
        Err(by_account())
    }

    pub(super) async fn template_ensure(
        &self,
        _blueprint: &str,
        _versions: &[Version],
    ) -> Result<Vec<Found>, Error> {
        Ok(Vec::new())
    }

    pub(super) async fn template_check(
        &self,
        _blueprint: &str,
        _ordinal: u32,
        _workspace_database: &str,
    ) -> Result<(), Error> {
        Ok(())
    }

    pub(super) async fn tenant_create(&self, _tenant: TenantSpec<'_>) -> Result<(), Error> {
        Err(by_account())
    }

    pub(super) async fn tenant_drop(&self, _blueprint: &str, _tenant: &str) -> Result<(), Error> {
        Err(by_account())
    }

    pub(super) async fn login_disable(&self, _user: &str) -> Result<(), Error> {
        Err(by_account())
    }

    pub(super) async fn login_enable(&self, _user: &str) -> Result<(), Error> {
        Err(by_account())
    }

    pub(super) async fn login_rotate(&self, _user: &str, _verifier: &str) -> Result<(), Error> {
        Err(by_account())
    }

    pub(super) async fn ledger_read(&self, _database: &str) -> Result<Vec<LedgerRow>, Error> {
        Ok(Vec::new())
    }

    pub(super) async fn ledger_seal(&self, _database: &str, _ids: &[i64]) -> Result<(), Error> {
        Ok(())
    }

    pub(super) async fn tables(&self, _database: &str) -> Result<Vec<Table>, Error> {
        Ok(Vec::new())
    }

    pub(super) async fn fingerprint(&self, _database: &str) -> Result<Fingerprint, Error> {
        Ok(Fingerprint(String::new()))
    }

    pub(super) async fn apply(&self, apply: Apply<'_>) -> Result<Applied, Failure> {
        Err(Failure {
            from: Some(apply.known),
            to: Some(apply.known),
            sqlstate: None,
            message: by_account().to_string(),
            statement: None,
            unreachable: false,
            needs_attention: false,
        })
    }
}

/// What an account may do depends on where its keys are and on its version's settings: that is said
/// whole, by [`super::Provisioner::account_put`].
fn by_account() -> Error {
    Error::Refused("on Redis this is said by the database's account".to_owned())
}

#[cfg(test)]
pub(crate) mod tests;
