//! Versions into one database, each exactly once.
//!
//! A version is one transaction: the marker is read under a lock, the statements run as the
//! blueprint's owner, the marker's row is written, COMMIT. Whatever happens in between, the marker
//! and the schema say the same. If the answer to COMMIT is lost, the marker is read again.
//!
//! The statements are hostile text. They run in the session of a login that is made for this piece
//! of work on this database, may enter no other, and is dropped behind it ([`super::deployer`]);
//! `RESET ROLE` in them gets no further than that. What the login could do for later (give itself
//! another password, share its memberships, run code at COMMIT) is looked for before COMMIT all the
//! same: [`Session::settle`].

use std::time::Duration;

use sqlx::Connection as _;
use tenantsdb_codecs::sql::{self, Effect};

use super::connect::Postgres;
use super::deployer::Deployer;
use super::quote::ident;
use super::session::{Piece, Session, Stop};
use super::{deploy_role, owner_role, step};
use crate::blueprint::{Origin, Statement, Version, version_name};
use crate::provision::{Applied, Apply, Error, Failure};

/// Attempts for one version before it counts as failed.
const ATTEMPTS_MAX: u32 = 8;
/// First pause between attempts; each next one is twice as long.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest pause between attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A session of ours that stops in the middle of a transaction lets its locks go.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(60);

/// Errors that pass: `lock_not_available`, `deadlock_detected`, `serialization_failure`,
/// `too_many_connections`, `admin_shutdown`, `crash_shutdown`, `cannot_connect_now`.
const PASSING: &[&str] = &[
    "55P03", "40P01", "40001", "53300", "57P01", "57P02", "57P03",
];

/// A stretch of a version.
enum Segment<'a> {
    /// Statements that share a transaction.
    Together(Vec<Piece<'a>>),
    /// A statement that cannot run inside one.
    Alone(Piece<'a>),
}

impl Postgres {
    pub(in crate::provision) async fn apply(&self, apply: Apply<'_>) -> Result<Applied, Failure> {
        let mut from = None;
        let mut to = None;
        let mut attempt = 0;
        loop {
            let before = to;
            let stop = match self.attempt(&apply, &mut from, &mut to).await {
                Ok(()) => {
                    let from = from.unwrap_or_default();
                    return Ok(Applied {
                        from,
                        to: to.unwrap_or(from),
                    });
                }
                Err(stop) => stop,
            };
            if to != before {
                attempt = 0;
            }
            attempt += 1;
            if attempt >= ATTEMPTS_MAX || !passes(&stop.error) {
                return Err(failure(stop, from, to));
            }
            tokio::time::sleep(pause(attempt)).await;
        }
    }

    /// Applies what is missing, with a login of its own, up to the first error.
    async fn attempt(
        &self,
        apply: &Apply<'_>,
        from: &mut Option<u32>,
        to: &mut Option<u32>,
    ) -> Result<(), Stop> {
        let deployer = self
            .deployer_create(apply.blueprint, apply.database)
            .await?;
        let done = self.attempt_as(&deployer, apply, from, to).await;
        self.deployer_drop(deployer).await;
        done
    }

    async fn attempt_as(
        &self,
        deployer: &Deployer,
        apply: &Apply<'_>,
        from: &mut Option<u32>,
        to: &mut Option<u32>,
    ) -> Result<(), Stop> {
        let connection = self
            .deployer_in(
                apply.database,
                &deployer.name,
                deployer.password.expose(),
                apply.application_name,
            )
            .await?;
        let mut session = Session {
            connection,
            addr: self.addr(),
            apply,
            owner: ident(&owner_role(apply.blueprint)),
            marker_role: ident(&deploy_role(apply.blueprint)),
        };
        let mut marker = session.marker().await?;
        from.get_or_insert(marker);
        *to = Some(marker);
        for version in apply.versions {
            if version.ordinal <= marker {
                continue;
            }
            if version.ordinal != marker + 1 {
                return Err(refused(format!(
                    "the database is at {}, and {} is the next version given",
                    version_name(marker),
                    version_name(version.ordinal)
                )));
            }
            session.version(version).await?;
            marker = version.ordinal;
            *to = Some(marker);
        }
        // A trigger that puts itself off to COMMIT again and again gets past all checks before it.
        if session.marker().await? != marker {
            return Err(refused("a statement writes the version marker".to_owned()));
        }
        // The server notices by itself when the socket is gone.
        let _ = session.connection.close().await;
        Ok(())
    }
}

// === impl Session ===

impl Session<'_> {
    async fn version(&mut self, version: &Version) -> Result<(), Stop> {
        let segments = segments(version)?;
        let whole = segments.len() == 1 && matches!(segments.first(), Some(Segment::Together(_)));
        for (number, segment) in (0_i32..).zip(&segments) {
            let begun = match whole {
                true => None,
                false => self.begun(version.ordinal, number).await?,
            };
            if begun.as_ref().is_some_and(|step| step.done) {
                continue;
            }
            let last = usize::try_from(number).is_ok_and(|number| number + 1 == segments.len());
            let mark = if last {
                step::Mark::Version
            } else {
                step::Mark::Step(number)
            };
            match segment {
                Segment::Together(pieces) => self.together(version.ordinal, pieces, mark).await?,
                Segment::Alone(piece) => {
                    self.alone(version.ordinal, number, *piece, mark, begun)
                        .await?;
                }
            }
            // Settings and temporary objects of one stretch do not reach the next.
            self.run("DISCARD ALL").await?;
        }
        Ok(())
    }

    /// One transaction: statements and marker.
    async fn together(
        &mut self,
        ordinal: u32,
        pieces: &[Piece<'_>],
        mark: step::Mark,
    ) -> Result<(), Stop> {
        self.run(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
             SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}; \
             SET LOCAL idle_in_transaction_session_timeout = {}; \
             SET LOCAL check_function_bodies = off; SET LOCAL ROLE {}; \
             LOCK TABLE tenantsdb.version IN SHARE ROW EXCLUSIVE MODE",
            self.apply.lock_timeout.as_millis(),
            self.apply.statement_timeout.as_millis(),
            IDLE_IN_TRANSACTION.as_millis(),
            self.marker_role,
        ))
        .await?;
        let sql = "SELECT max(ordinal), pg_current_xact_id()::text FROM tenantsdb.version";
        let (last, xid) = self.row::<(i32, String)>(sql, None).await?;
        let marker = marker_of(last)?;
        if marker >= ordinal {
            // Another worker was here first.
            self.run("ROLLBACK").await?;
            return Ok(());
        }
        self.run(&format!("SET LOCAL ROLE {}", self.owner)).await?;
        for piece in pieces {
            self.prepare_for(piece, &xid).await?;
            self.statement(piece.text).await?;
        }
        let text = pieces.last().map(|piece| piece.text);
        self.settle(&xid, marker)
            .await
            .map_err(|stop| stop.within(text))?;
        // What is put off to COMMIT does not run in the role that may write the marker. If the
        // answer is lost, the next attempt reads the marker.
        self.run(&format!(
            "SET LOCAL ROLE {}; {}; SET LOCAL ROLE {}; COMMIT",
            self.marker_role,
            mark.sql(ordinal),
            self.owner
        ))
        .await
    }

    /// Sets the captured `search_path`, and sees that the statement before ended no transaction.
    async fn prepare_for(&mut self, piece: &Piece<'_>, xid: &str) -> Result<(), Stop> {
        let sql = "SELECT pg_catalog.set_config('search_path', $1, true), \
                   pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text";
        let (_, now) = self
            .row::<(String, Option<String>)>(sql, Some(piece.search_path))
            .await?;
        same_transaction(now.as_deref(), xid)
    }

    /// Runs what captured text put off to COMMIT (but not what that puts off again), and looks
    /// whether the transaction is to be committed at all.
    async fn settle(&mut self, xid: &str, marker: u32) -> Result<(), Stop> {
        // Deferred triggers run here and not at COMMIT; a cursor WITH HOLD would run its query
        // there.
        self.run(&format!(
            "SET LOCAL ROLE {0}; SET CONSTRAINTS ALL IMMEDIATE; CLOSE ALL; SET LOCAL ROLE {0}; \
             SET LOCAL search_path = pg_catalog, pg_temp",
            self.owner
        ))
        .await?;
        // Whoever changes a role, a role's settings or a membership holds this lock until COMMIT.
        let sql = "SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text, \
                (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks WHERE locktype = 'relation' \
                   AND pid = pg_catalog.pg_backend_pid() AND database = 0 \
                   AND mode = 'RowExclusiveLock' AND relation IN ( \
                       'pg_catalog.pg_authid'::pg_catalog.regclass, \
                       'pg_catalog.pg_auth_members'::pg_catalog.regclass, \
                       'pg_catalog.pg_db_role_setting'::pg_catalog.regclass)), \
                (SELECT pg_catalog.max(ordinal) FROM tenantsdb.version)";
        let (now, roles, last) = self.row::<(Option<String>, i64, i32)>(sql, None).await?;
        same_transaction(now.as_deref(), xid)?;
        if roles != 0 {
            return Err(refused(
                "a statement changes roles, which versions cannot".to_owned(),
            ));
        }
        if marker_of(last)? != marker {
            return Err(refused("a statement writes the version marker".to_owned()));
        }
        Ok(())
    }

    /// The newest version that the database has.
    pub(super) async fn marker(&mut self) -> Result<u32, Stop> {
        let sql = "SELECT coalesce(max(ordinal), 0) FROM tenantsdb.version";
        let (ordinal,) = self.row::<(i32,)>(sql, None).await?;
        marker_of(ordinal)
    }
}

/// Cuts a version at the statements that cannot run in a transaction. There is at least one
/// segment, and the last one carries the version's mark.
fn segments(version: &Version) -> Result<Vec<Segment<'_>>, Stop> {
    let mut segments = Vec::new();
    let mut together = Vec::new();
    for piece in version
        .statements
        .iter()
        .filter(|statement| statement.deploy)
        .flat_map(pieces)
    {
        if let Effect::Transaction(_) = sql::effect(piece.text) {
            let text = "a version is one transaction: its statements cannot end it".to_owned();
            return Err(refused(text).within(Some(piece.text)));
        }
        if sql::runs_alone(piece.text) {
            if !together.is_empty() {
                segments.push(Segment::Together(std::mem::take(&mut together)));
            }
            segments.push(Segment::Alone(piece));
        } else {
            together.push(piece);
        }
    }
    if !together.is_empty() || segments.is_empty() {
        segments.push(Segment::Together(together));
    }
    Ok(segments)
}

/// What is run for a statement. Text that no single statement explains is all of what a session
/// sent, with its own transaction control, which the version's transaction stands for.
fn pieces(statement: &Statement) -> Vec<Piece<'_>> {
    let texts = match statement.origin {
        Origin::Wire | Origin::Ledger => vec![statement.ddl.as_str()],
        Origin::Inferred => sql::split(&statement.ddl)
            .into_iter()
            .filter(|text| !matches!(sql::effect(text), Effect::Transaction(_)))
            .collect(),
    };
    let piece = |text| Piece {
        text,
        search_path: &statement.search_path,
    };
    texts.into_iter().map(piece).collect()
}

fn marker_of(ordinal: i32) -> Result<u32, Stop> {
    u32::try_from(ordinal).map_err(|_| refused(format!("version marker {ordinal}")))
}

fn same_transaction(now: Option<&str>, xid: &str) -> Result<(), Stop> {
    if now == Some(xid) {
        return Ok(());
    }
    Err(refused(
        "a statement ended the version's transaction".to_owned(),
    ))
}

fn refused(message: String) -> Stop {
    Error::Refused(message).into()
}

fn passes(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } => true,
        Error::Server { sqlstate, .. } => PASSING.contains(&sqlstate.as_str()),
        _ => false,
    }
}

fn failure(stop: Stop, from: Option<u32>, to: Option<u32>) -> Failure {
    let unreachable = matches!(stop.error, Error::Unreachable { .. });
    let (sqlstate, message) = match stop.error {
        Error::Server { sqlstate, message } if !sqlstate.is_empty() => (Some(sqlstate), message),
        other => (None, other.to_string()),
    };
    Failure {
        from,
        to,
        sqlstate,
        message,
        statement: stop.statement,
        unreachable,
        needs_attention: false,
    }
}

/// The pause before the attempt after `attempt`, between half and all of what is due.
fn pause(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(10);
    let due = BACKOFF_MIN.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    // Without randomness the workers that collided once would collide again.
    let share = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
    due.mul_f64(0.5 + share / 2.0)
}
