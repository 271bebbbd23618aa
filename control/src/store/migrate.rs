//! Brings the store's tables up to date. The rules are in `migrations/README.md`.

use sqlx::Row as _;

use super::dialect::{self, Db};
use crate::error::{Error, Result};
use crate::secret::hash;

/// Every migration in order; the number of the first is 1.
const MIGRATIONS: &[(&str, &str)] = &[
    (
        "0001_initial",
        include_str!("../../migrations/0001_initial.sql"),
    ),
    (
        "0002_mysql",
        include_str!("../../migrations/0002_mysql.sql"),
    ),
    (
        "0003_redis",
        include_str!("../../migrations/0003_redis.sql"),
    ),
    (
        "0004_mongo",
        include_str!("../../migrations/0004_mongo.sql"),
    ),
    (
        "0005_pool_mode",
        include_str!("../../migrations/0005_pool_mode.sql"),
    ),
];

/// Runs what has not run yet, each in its own transaction.
pub(super) async fn run(pool: &sqlx::Pool<Db>) -> Result<()> {
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
             name TEXT PRIMARY KEY, hash TEXT NOT NULL, applied_at TEXT NOT NULL)",
    )
    .execute(pool)
    .await?;
    let applied = sqlx::query("SELECT name, hash FROM schema_migrations ORDER BY name")
        .fetch_all(pool)
        .await?;
    for (row, migration) in applied.iter().zip(MIGRATIONS) {
        let (name, text): (String, String) = (row.try_get("name")?, row.try_get("hash")?);
        if name != migration.0 || text != hash(migration.1) {
            return Err(Error::internal(format!(
                "migration {name} of the store is not ours"
            )));
        }
    }
    if applied.len() > MIGRATIONS.len() {
        return Err(Error::internal(
            "the store was written by a newer version of control",
        ));
    }
    for (name, text) in MIGRATIONS.iter().skip(applied.len()) {
        let mut transaction = pool.begin_with(dialect::BEGIN_WRITE).await?;
        sqlx::raw_sql(*text).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO schema_migrations (name, hash, applied_at) VALUES ($1, $2, $3)")
            .bind(*name)
            .bind(hash(text))
            .bind(super::now())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        tracing::info!(migration = *name, "store migrated");
    }
    Ok(())
}
