//! Statements that cannot run in a transaction, exactly once all the same.
//!
//! Before the statement an intent is committed, with the indexes that were there; after it, the
//! step is marked as done. Whoever finds an intent that is not done looks at the schema: what a
//! broken attempt left half built is dropped, what it completed counts.

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
        let sql = "SELECT x.indexrelid::int8::text, x.indisvalid, \
                       format('%I.%I', n.nspname, i.relname) \
                   FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid \
                   JOIN pg_namespace n ON n.oid = i.relnamespace \
                   WHERE x.indexrelid >= 16384 AND i.relkind = 'i' \
                     AND n.nspname NOT IN ('tenantsdb', 'pg_toast')";
        let mut built = false;
        for (oid, valid, name) in self.rows::<(String, bool, String)>(sql).await? {
            if known.contains(&oid.as_str()) {
                continue;
            }
            if valid {
                built = true;
            } else {
                self.as_owner(&format!("DROP INDEX CONCURRENTLY {name}"))
                    .await?;
            }
        }
        let detached = self.finish_detaching().await?;
        let create = sql::command_tag(piece.text) == "CREATE INDEX";
        Ok(detached || (create && built))
    }

    /// Completes a DETACH PARTITION CONCURRENTLY that was broken off between its transactions.
    async fn finish_detaching(&mut self) -> Result<bool, Stop> {
        let sql = "SELECT inhparent::regclass::text, inhrelid::regclass::text FROM pg_inherits \
                   WHERE inhdetachpending";
        let pending = self.rows::<(String, String)>(sql).await?;
        for (parent, partition) in &pending {
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

fn gone(stop: &Stop) -> bool {
    matches!(&stop.error, Error::Server { sqlstate, .. } if GONE.contains(&sqlstate.as_str()))
}

/// Whether the statement takes something away, so that "it is not there" means "done".
fn drops(text: &str) -> bool {
    let tag = sql::command_tag(text);
    tag == "DROP INDEX" || tag == "ALTER TABLE"
}
