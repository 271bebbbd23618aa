//! SQL of tenants.

use std::collections::BTreeMap;

use sqlx::{FromRow, Row as _};

use super::{Conn, Row, json, named};
use crate::error::{Error, Result};

/// Where a tenant is in its life.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TenantStatus {
    /// Its first database is being made.
    Creating,
    /// Clients may connect.
    Active,
    /// Closed by the operator; all data is kept.
    Suspended,
    /// No client gets in any more; its databases are being removed.
    Deleting,
    /// Its first database could not be made; the reason is kept, and it can be deleted.
    Failed,
}

/// A customer.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) external_id: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) status: TenantStatus,
    pub(crate) reason: String,
    pub(crate) created_at: String,
}

/// Which tenants to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) blueprint: Option<String>,
    pub(crate) status: Option<TenantStatus>,
}

// === impl TenantStatus ===

impl TenantStatus {
    const ALL: [Self; 5] = [
        Self::Creating,
        Self::Active,
        Self::Suspended,
        Self::Deleting,
        Self::Failed,
    ];

    /// The name in the store and in answers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleting => "deleting",
            Self::Failed => "failed",
        }
    }
}

impl std::str::FromStr for TenantStatus {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == name)
            .ok_or_else(|| {
                Error::invalid(format!(
                    "\"{name}\" is not a status: creating, active, suspended, deleting or failed"
                ))
            })
    }
}

// === impl Tenant ===

impl FromRow<'_, Row> for Tenant {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            name: row.try_get("name")?,
            id: row.try_get("id")?,
            external_id: row.try_get("external_id")?,
            labels: json(row, "labels")?,
            status: named(row, "status")?,
            reason: row.try_get("reason")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

/// Adds a tenant.
pub(crate) async fn insert(conn: &mut Conn, tenant: &Tenant) -> Result<()> {
    sqlx::query(
        "INSERT INTO tenants (name, id, external_id, labels, status, reason, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&tenant.name)
    .bind(&tenant.id)
    .bind(&tenant.external_id)
    .bind(serde_json::to_string(&tenant.labels).map_err(Error::internal)?)
    .bind(tenant.status.as_str())
    .bind(&tenant.reason)
    .bind(&tenant.created_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// The tenant of that name.
pub(crate) async fn fetch(conn: &mut Conn, name: &str) -> Result<Option<Tenant>> {
    Ok(sqlx::query_as("SELECT * FROM tenants WHERE name = $1")
        .bind(name)
        .fetch_optional(conn)
        .await?)
}

/// Tenants that match, behind `after` in the order of names.
pub(crate) async fn list(
    conn: &mut Conn,
    filter: &Filter,
    after: &str,
    limit: u32,
) -> Result<Vec<Tenant>> {
    Ok(sqlx::query_as(
        "SELECT * FROM tenants t
         WHERE t.name > $1 AND ($2 IS NULL OR t.status = $2)
           AND ($3 IS NULL OR EXISTS (SELECT 1 FROM databases d
                                      WHERE d.tenant = t.name AND d.blueprint = $3))
         ORDER BY t.name LIMIT $4",
    )
    .bind(after)
    .bind(filter.status.map(TenantStatus::as_str))
    .bind(&filter.blueprint)
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?)
}

/// Names of the tenants with a status.
pub(crate) async fn names_with(conn: &mut Conn, status: TenantStatus) -> Result<Vec<String>> {
    Ok(
        sqlx::query_scalar("SELECT name FROM tenants WHERE status = $1 ORDER BY name")
            .bind(status.as_str())
            .fetch_all(conn)
            .await?,
    )
}

/// How many tenants there are with each status.
pub(crate) async fn counts(conn: &mut Conn) -> Result<Vec<(String, i64)>> {
    Ok(
        sqlx::query_as("SELECT status, COUNT(*) FROM tenants GROUP BY status ORDER BY status")
            .fetch_all(conn)
            .await?,
    )
}

/// Moves a tenant to another status.
pub(crate) async fn status_set(
    conn: &mut Conn,
    name: &str,
    status: TenantStatus,
    reason: &str,
) -> Result<()> {
    sqlx::query("UPDATE tenants SET status = $2, reason = $3 WHERE name = $1")
        .bind(name)
        .bind(status.as_str())
        .bind(reason)
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets a tenant. Its databases must be gone.
pub(crate) async fn delete(conn: &mut Conn, name: &str) -> Result<()> {
    sqlx::query("DELETE FROM tenants WHERE name = $1")
        .bind(name)
        .execute(conn)
        .await?;
    Ok(())
}
