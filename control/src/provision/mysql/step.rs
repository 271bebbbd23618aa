//! One statement of a version, exactly once.

use std::collections::BTreeSet;
use std::time::Duration;

use tenantsdb_codecs::sql::mysql::{
    Effect, Mode, Online, effect, is_crash_safe, mentions, portable, split, tag, with_online,
};

use super::apply::{Run, Stop};
use super::connect::Fault;
use super::marker;
use super::names::digest;
use super::schema::Schema;
use super::session;
use crate::blueprint::{Probe, Snapshot, Statement};
use crate::provision::Error;
use crate::provision::marker::{Row, State};
use crate::provision::steps::{attention, refused};

/// Added to the limit of a statement, after which it is ended from outside: MariaDB ends it by
/// itself.
const GRACE: Duration = Duration::from_secs(5);
/// "ALGORITHM or LOCK is not supported", and the same with the reason.
const NOT_ONLINE: &[u16] = &[1845, 1846];
/// "Unknown event".
const NO_EVENT: u16 = 1539;
/// Of an error while waiting for a lock nothing was done yet: lock wait timeout, deadlock.
const NOT_BEGUN: &[u16] = &[1205, 1213];

impl Run<'_> {
    /// Runs a statement, unless it is known to have run. `row` is what the marker had of it.
    pub(super) async fn step(
        &mut self,
        at: (u32, i32),
        statement: &Statement,
        row: Option<&Row>,
    ) -> Result<(), Stop> {
        let ddl = statement.ddl.as_str();
        self.run_step(at, statement, row)
            .await
            .map_err(|stop| stop.within(ddl))
    }

    async fn run_step(
        &mut self,
        (ordinal, step): (u32, i32),
        statement: &Statement,
        row: Option<&Row>,
    ) -> Result<(), Stop> {
        let text = self.text(statement)?;
        let mark = digest(&statement.ddl);
        if row.is_some_and(|row| row.digest != mark) {
            return Err(attention(
                "the marker of this step is of another statement: nothing was run".to_owned(),
            ));
        }
        let pre = match row {
            Some(row) if row.state == State::Done => return Ok(()),
            Some(row) => {
                if self.took_effect(statement, row).await? {
                    return self.done((ordinal, step), &mark).await;
                }
                row.pre.clone()
            }
            None => {
                let pre = match &statement.probe {
                    Some(probe) => Some(self.current(probe).await?),
                    None => None,
                };
                self.mysql.cut_here().await;
                let sql = marker::intent(ordinal, step, &mark, pre.as_ref());
                self.deployer.marker.run(&sql).await?;
                pre
            }
        };
        self.mysql.cut_here().await;
        if let Err(fault) = self.execute(statement, &text).await
            && !is_gone_by_itself(&fault, &text)
        {
            if fault.number != 0 && self.is_undone(&fault, &text, pre.as_ref()).await {
                let sql = marker::not_run(ordinal, step);
                self.deployer.marker.run(&sql).await?;
            }
            return Err(fault.into());
        }
        self.mysql.cut_here().await;
        self.record((ordinal, step)).await?;
        self.done((ordinal, step), &mark).await?;
        self.mysql.cut_here().await;
        Ok(())
    }

    /// What is sent: one statement, of this database.
    fn text(&self, statement: &Statement) -> Result<String, Stop> {
        let sql_mode = statement.context.as_ref().map(|c| c.sql_mode.as_str());
        let mode = Mode::of_sql_mode(sql_mode.unwrap_or_default());
        let text = portable(&statement.ddl, &self.workspace, self.apply.database, mode);
        if mentions(&text, marker::TABLE, mode) {
            return Err(refused(format!(
                "a statement names the table {}, in which versions are marked",
                marker::TABLE
            )));
        }
        match split(&text, mode).as_slice() {
            [one] if effect(one, mode) == Effect::Schema => Ok((*one).to_owned()),
            [_] => Err(refused(
                "this is no statement that changes a schema".to_owned(),
            )),
            _ => Err(refused("this is not one statement".to_owned())),
        }
    }

    /// Whether a statement that was begun, and not seen to end, took effect.
    async fn took_effect(&mut self, statement: &Statement, row: &Row) -> Result<bool, Stop> {
        let Some(post) = &statement.probe else {
            return Err(attention(
                "this statement was begun before, and nothing is known by which to tell whether it \
                 took effect"
                    .to_owned(),
            ));
        };
        let now = self.current(post).await?;
        if now == *post {
            return Ok(true);
        }
        if row.pre.as_ref() == Some(&now) {
            return Ok(false);
        }
        let differs = |(key, digest): &(&String, &Option<String>)| now.0.get(*key) != Some(digest);
        let keys: Vec<&str> = post
            .0
            .iter()
            .filter(differs)
            .map(|(key, _)| key.as_str())
            .collect();
        Err(attention(format!(
            "this statement was begun before; {} is neither what it was then nor what the \
             statement makes of it. Nothing was run",
            keys.join(", ")
        )))
    }

    /// What the objects of a probe are now.
    async fn current(&mut self, probe: &Probe) -> Result<Probe, Fault> {
        let keys: BTreeSet<String> = probe.0.keys().cloned().collect();
        let now = self.read(Some(&keys)).await?;
        let digests = keys.into_iter().map(|key| {
            let digest = now.digest_of(&key);
            (key, digest)
        });
        Ok(Probe(digests.collect()))
    }

    /// The schema, or these objects of it, as the deploy account sees them.
    pub(super) async fn read(
        &mut self,
        only: Option<&BTreeSet<String>>,
    ) -> Result<Snapshot, Fault> {
        let database = self.apply.database;
        let schema = Schema::read(&mut self.deployer.marker, database, only).await?;
        Ok(schema.snapshot())
    }

    async fn done(&mut self, (ordinal, step): (u32, i32), mark: &str) -> Result<(), Stop> {
        let sql = marker::done(ordinal, step, mark);
        match self.deployer.marker.run(&sql).await? {
            1 => Ok(()),
            _ => Err(attention(
                "a statement, or somebody else, writes the version marker".to_owned(),
            )),
        }
    }

    /// Keeps what the statement left, where a template is built.
    async fn record(&mut self, (ordinal, step): (u32, i32)) -> Result<(), Stop> {
        let Some((found, before)) = self.record.take() else {
            return Ok(());
        };
        let after = self.read(None).await?;
        let changed = before.changed(&after).into_iter();
        let probe = Probe(
            changed
                .map(|key| (key.clone(), after.digest_of(&key)))
                .collect(),
        );
        let place = u32::try_from(step).unwrap_or_default();
        let sql = marker::left(ordinal, place, &probe);
        self.deployer.marker.run(&sql).await?;
        found.push((ordinal, place, probe));
        self.record = Some((found, after));
        Ok(())
    }

    /// Runs the captured text with the settings it was captured with.
    async fn execute(&mut self, statement: &Statement, text: &str) -> Result<(), Fault> {
        let work = &mut self.deployer.work;
        let context = statement.context.as_ref();
        session::explicit_defaults(work, context).await?;
        let settings = session::context(context, statement.captured_at)?;
        work.run(&settings).await?;
        if !self.apply.online {
            return self.send(text).await;
        }
        let mut refused = None;
        for online in [Online::Instant, Online::Inplace] {
            let Some(text) = with_online(text, online) else {
                continue;
            };
            match self.send(&text).await {
                Err(fault) if NOT_ONLINE.contains(&fault.number) => refused = Some(fault),
                other => return other,
            }
        }
        match refused {
            Some(fault) => Err(fault),
            // It takes no such demand.
            None => self.send(text).await,
        }
    }

    async fn send(&mut self, text: &str) -> Result<(), Fault> {
        let limit = self.apply.statement_timeout + GRACE;
        let sent = self.deployer.work.captured(text, limit + GRACE);
        let Ok(sent) = tokio::time::timeout(limit, sent).await else {
            // Its thread is ended behind the attempt.
            return Err(Fault::from(Error::Server {
                sqlstate: String::new(),
                message: format!(
                    "the statement ran for {} s and was ended",
                    self.apply.statement_timeout.as_secs()
                ),
            }));
        };
        match sent? {
            1 => Ok(()),
            _ => Err(Error::Refused("this is more than one statement".to_owned()).into()),
        }
    }

    /// Whether it is certain that a statement which the server refused changed nothing.
    async fn is_undone(&mut self, fault: &Fault, text: &str, pre: Option<&Probe>) -> bool {
        if let Some(pre) = pre {
            return matches!(self.current(pre).await, Ok(now) if now == *pre);
        }
        // One object: the statement is atomic.
        is_crash_safe(text) || NOT_BEGUN.contains(&fault.number)
    }
}

/// An event that has run for the last time drops itself.
fn is_gone_by_itself(fault: &Fault, text: &str) -> bool {
    fault.number == NO_EVENT && tag(text) == "DROP EVENT"
}
