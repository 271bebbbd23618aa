//! Statements that cannot run in a transaction, exactly once all the same.
//!
//! Before the statement an intent is committed, with the indexes that were there; after it, the
//! step is marked as done. Whoever finds an intent that is not done looks at the schema: what a
//! broken attempt left half built is dropped, what it completed counts.

use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};
use tenantsdb_codecs::sql;

use super::quote::literal;
use super::session::{Piece, Session, Stop};
use crate::blueprint::version_name;
use crate::provision::Error;

/// Held by the session that is at a step, so that two workers do not repair each other's half-built
/// index. Never waited for: a waiter's snapshot would block CREATE INDEX CONCURRENTLY.
const STEP_LOCK: i64 = 0x7465_6e61_6e74_7331;

/// `undefined_table`, `undefined_object`: what was to be dropped is gone already.
const GONE: &[&str] = &["42P01", "42704"];

/// What a stretch of a version leaves when it is through.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// This step is done, and others of the version follow.
    Step(i32),
    /// The version is there.
    Version,
}

/// A step that was begun before.
pub(super) struct Step {
    pub(super) done: bool,
    /// Oids of the indexes that were there before, separated by commas.
    indexes_before: String,
}

/// An index of the owner's.
struct Index {
    oid: String,
    valid: bool,
    name: String,
    table_name: String,
    /// Quoted, with its schema.
    path: String,
    /// Another session holds it, or may be building it.
    busy: bool,
}

// === impl Index ===

impl FromRow<'_, PgRow> for Index {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            oid: row.try_get("oid")?,
            valid: row.try_get("valid")?,
            name: row.try_get("name")?,
            table_name: row.try_get("table_name")?,
            path: row.try_get("path")?,
            busy: row.try_get("busy")?,
        })
    }
}

// === impl Mark ===

impl Mark {
    pub(super) fn sql(self, ordinal: u32) -> String {
        match self {
            Self::Step(number) => format!(
                "INSERT INTO tenantsdb.step (ordinal, step, state) \
                 VALUES ({ordinal}, {number}, 'done') \
                 ON CONFLICT (ordinal, step) DO UPDATE SET state = 'done', at = now()"
            ),
            Self::Version => format!(
                "INSERT INTO tenantsdb.version (ordinal, version) VALUES ({ordinal}, {})",
                literal(&version_name(ordinal))
            ),
        }
    }
}

impl Session<'_> {
    /// The step, if it was begun before. From here to the end of the step, no other session is at
    /// one of this database.
    pub(super) async fn begun(&mut self, ordinal: u32, number: i32) -> Result<Option<Step>, Stop> {
        self.hold_steps().await?;
        if self.marker().await? >= ordinal {
            // Another worker was here first.
            return Ok(Some(Step {
                done: true,
                indexes_before: String::new(),
            }));
        }
        let sql = format!(
            "SELECT state = 'done', indexes_before FROM tenantsdb.step \
             WHERE ordinal = {ordinal} AND step = {number}"
        );
        let rows = self.rows::<(bool, String)>(&sql).await?;
        Ok(rows.into_iter().next().map(|(done, indexes_before)| Step {
            done,
            indexes_before,
        }))
    }

    /// Runs a statement outside a transaction and leaves `mark`.
    pub(super) async fn alone(
        &mut self,
        ordinal: u32,
        number: i32,
        piece: Piece<'_>,
        mark: Mark,
        begun: Option<Step>,
    ) -> Result<(), Stop> {
        let again = begun.is_some();
        let step = match begun {
            Some(step) => step,
            None => self.intend(ordinal, number).await?,
        };
        let settled = again && self.repair(&step, piece).await?;
        if !settled && let Err(stop) = self.outside_transaction(piece).await {
            let done_before = again && gone(&stop) && drops(piece.text);
            if !done_before {
                // A half-built index slows every write down. If this fails too, the next attempt
                // begins with it.
                let _ = self.repair(&step, piece).await;
                return Err(stop);
            }
        }
        self.run(&format!(
            "SET ROLE {}; {}; RESET ROLE",
            self.marker_role,
            mark.sql(ordinal)
        ))
        .await
    }

    async fn outside_transaction(&mut self, piece: Piece<'_>) -> Result<(), Stop> {
        // No limit on waiting for locks: such a statement waits for every transaction that is open
        // in the database, and what it holds meanwhile stops neither reading nor writing.
        self.run(&format!(
            "SET lock_timeout = 0; SET statement_timeout = {}; SET ROLE {}; \
             SELECT set_config('search_path', {}, false)",
            self.apply.statement_timeout.as_millis(),
            self.owner,
            literal(piece.search_path),
        ))
        .await?;
        let done = self.statement(piece.text).await;
        self.run("RESET ROLE; SET search_path = pg_catalog, pg_temp")
            .await?;
        done
    }

    /// Keeps other workers away from this database's steps until the session ends.
    async fn hold_steps(&mut self) -> Result<(), Stop> {
        let sql = format!("SELECT pg_try_advisory_lock({STEP_LOCK})");
        let rows = self.rows::<(bool,)>(&sql).await?;
        if rows.first().is_some_and(|(held,)| *held) {
            return Ok(());
        }
        Err(Error::Server {
            sqlstate: "55P03".to_owned(),
            message: "another session is at a step of this database".to_owned(),
        }
        .into())
    }

    /// Commits the intent, with what was there before.
    async fn intend(&mut self, ordinal: u32, number: i32) -> Result<Step, Stop> {
        let sql = format!(
            "INSERT INTO tenantsdb.step (ordinal, step, state, indexes_before) \
             SELECT {ordinal}, {number}, 'intent', coalesce(string_agg(indexrelid::text, ','), '') \
             FROM pg_index WHERE indexrelid >= 16384 RETURNING indexes_before"
        );
        self.run(&format!("SET ROLE {}", self.marker_role)).await?;
        let (indexes_before,) = self.row::<(String,)>(&sql, None).await?;
        self.run("RESET ROLE").await?;
        Ok(Step {
            done: false,
            indexes_before,
        })
    }

    /// Undoes or completes what a broken attempt left. True if nothing is left to do.
    async fn repair(&mut self, step: &Step, piece: Piece<'_>) -> Result<bool, Stop> {
        let known: Vec<&str> = step.indexes_before.split(',').collect();
        // Who builds or drops an index concurrently holds such a lock on its table throughout. What
        // sessions of other roles are building is not shown.
        let sql = format!(
            "SELECT x.indexrelid::int8::text AS oid, x.indisvalid AS valid, \
                 i.relname::text AS name, t.relname::text AS table_name, \
                 format('%I.%I', n.nspname, i.relname) AS path, \
                 EXISTS (SELECT FROM pg_locks l WHERE l.pid <> pg_backend_pid() \
                     AND l.database = (SELECT oid FROM pg_database \
                         WHERE datname = current_database()) \
                     AND (l.relation = x.indexrelid OR l.relation = x.indrelid \
                         AND l.mode = 'ShareUpdateExclusiveLock')) AS busy \
             FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid \
             JOIN pg_class t ON t.oid = x.indrelid \
             JOIN pg_namespace n ON n.oid = i.relnamespace \
             WHERE x.indexrelid >= 16384 AND i.relkind = 'i' \
               AND n.nspname NOT IN ('tenantsdb', 'pg_toast') \
               AND i.relowner = {}::regrole",
            literal(&self.owner)
        );
        let mut built = false;
        for index in self.rows::<Index>(&sql).await? {
            if known.contains(&index.oid.as_str()) || !made_by(piece.text, &index) {
                continue;
            }
            if index.valid {
                built = true;
            } else if !index.busy {
                self.as_owner(&format!("DROP INDEX CONCURRENTLY {}", index.path))
                    .await?;
            }
        }
        let detached = self.finish_detaching(piece).await?;
        let create = sql::command_tag(piece.text) == "CREATE INDEX";
        Ok(detached || (create && built))
    }

    /// Completes a DETACH PARTITION CONCURRENTLY that was broken off between its transactions.
    async fn finish_detaching(&mut self, piece: Piece<'_>) -> Result<bool, Stop> {
        let sql = "SELECT inhparent::regclass::text, inhrelid::regclass::text, c.relname::text \
                   FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhdetachpending";
        let mut pending = self.rows::<(String, String, String)>(sql).await?;
        // Others may be detaching partitions of their own.
        pending.retain(|(_, _, name)| {
            sql::command_tag(piece.text) == "ALTER TABLE" && sql::mentions(piece.text, name)
        });
        for (parent, partition, _) in &pending {
            self.as_owner(&format!(
                "ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE"
            ))
            .await?;
        }
        Ok(!pending.is_empty())
    }

    async fn as_owner(&mut self, sql: &str) -> Result<(), Stop> {
        self.run(&format!("SET ROLE {}", self.owner)).await?;
        self.run(sql).await?;
        self.run("RESET ROLE").await
    }
}

/// Whether the statement can have made the index: the tenant may be making one of its own.
fn made_by(text: &str, index: &Index) -> bool {
    match sql::command_tag(text).as_str() {
        "CREATE INDEX" => {
            let named = sql::index_name(text).is_none_or(|name| name == index.name);
            named && sql::mentions(text, &index.table_name)
        }
        // What it builds beside the old one is called like it, with this behind:
        // https://www.postgresql.org/docs/15/sql-reindex.html
        "REINDEX" => {
            let name = index.name.trim_end_matches(|c: char| c.is_ascii_digit());
            name.ends_with("_ccnew") || name.ends_with("_ccold")
        }
        _ => false,
    }
}

fn gone(stop: &Stop) -> bool {
    matches!(&stop.error, Error::Server { sqlstate, .. } if GONE.contains(&sqlstate.as_str()))
}

/// Whether the statement takes something away, so that "it is not there" means "done".
fn drops(text: &str) -> bool {
    let tag = sql::command_tag(text);
    tag == "DROP INDEX" || tag == "ALTER TABLE"
}
