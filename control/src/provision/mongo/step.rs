//! One command of a version.

use std::collections::BTreeSet;
use std::time::Duration;

use mongodb::bson::{Bson, doc};

use super::apply::{Run, Stop};
use super::connect::Fault;
use super::marker::DUPLICATE;
use crate::blueprint::mongo::command::Command;
use crate::blueprint::mongo::search::is_derivable;
use crate::blueprint::{Probe, Statement};
use crate::provision::marker::{Row, State, digest};
use crate::provision::steps::{attention, refused};

/// How long an index may be built. Others work meanwhile; a lock is held at its beginning and end
/// only (<https://www.mongodb.com/docs/manual/core/index-creation/>).
const BUILD_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// How much later than a command's own end its answer may come.
const ANSWER_DELAY: Duration = Duration::from_secs(10);
/// How often it is said how far a build is.
const PROGRESS_PAUSE: Duration = Duration::from_secs(10);

/// What is there is not what the command says, and nothing was done: NamespaceExists,
/// IndexOptionsConflict, IndexKeySpecsConflict, InvalidOptions of a collection that is there.
const CONFLICT: &[i32] = &[48, 85, 86];
/// What was to go is gone: NamespaceNotFound, IndexNotFound.
const GONE: &[i32] = &[26, 27];

impl Run<'_> {
    /// Runs a command, unless it is known to have run. `row` is what the marker had of it.
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
        at: (u32, i32),
        statement: &Statement,
        row: Option<&Row>,
    ) -> Result<(), Stop> {
        let (mongo, database) = (self.mongo, self.apply.database);
        let command = Command::read(&statement.ddl, &self.workspace).map_err(refused)?;
        let mark = digest(&statement.ddl);
        if row.is_some_and(|row| row.digest != mark) {
            return Err(attention(
                "the marker of this step is of another statement: nothing was run".to_owned(),
            ));
        }
        let is_derivable = is_derivable(&command.name, statement.probe.as_ref());
        let now = self.current(statement, &command).await?;
        // What left nothing to be seen is told by nothing.
        let is_there = now.as_ref().is_some_and(|now| !now.0.is_empty()) && now == statement.probe;
        match row {
            Some(row) if row.state == State::Done => return Ok(()),
            // As the statement leaves it: it took effect, and was not seen to.
            Some(_) if is_there => return self.done(at, &mark).await,
            Some(row) if now == row.pre && is_derivable => {}
            Some(row) => {
                let known = statement.probe.as_ref().filter(|_| is_derivable);
                return Err(neither(known, row, now.as_ref()));
            }
            None => {
                mongo.cut_here().await;
                let intent = (mark.as_str(), now.as_ref());
                match mongo.marker_intent(database, at, intent).await {
                    Err(fault) if fault.code == DUPLICATE => {
                        return Err(attention(
                            "somebody else writes the version marker".to_owned(),
                        ));
                    }
                    other => other?,
                }
            }
        }
        mongo.cut_here().await;
        // What a tenant has already in the very form that is to be stays.
        if !is_there && let Err(fault) = self.execute(&command).await {
            return self
                .failed(at, (&command, fault), now.as_ref(), statement)
                .await;
        }
        mongo.cut_here().await;
        self.record(at).await?;
        self.done(at, &mark).await?;
        mongo.cut_here().await;
        Ok(())
    }

    /// The server refused a command: what was to go may be gone, or something else stands in its
    /// place.
    async fn failed(
        &mut self,
        at: (u32, i32),
        (command, fault): (&Command, Fault),
        pre: Option<&Probe>,
        statement: &Statement,
    ) -> Result<(), Stop> {
        let drops = matches!(
            command.name.as_str(),
            "drop" | "dropIndexes" | "deleteIndexes" | "dropSearchIndex"
        );
        if drops && GONE.contains(&fault.code) {
            self.record(at).await?;
            return self.done(at, &digest(&statement.ddl)).await;
        }
        if fault.code != 0 && self.current(statement, command).await?.as_ref() == pre {
            self.mongo.marker_not_run(self.apply.database, at).await?;
        }
        let conflict = CONFLICT.contains(&fault.code);
        let stop = Stop::from(fault);
        Err(Stop {
            // A person decides which of the two is to be.
            needs_attention: conflict && self.record.is_none(),
            ..stop
        })
    }

    /// What the objects of the statement's probe are now; `None` if it has none.
    async fn current(
        &self,
        statement: &Statement,
        command: &Command,
    ) -> Result<Option<Probe>, Fault> {
        let Some(probe) = &statement.probe else {
            return Ok(None);
        };
        let names: Vec<&str> = command.names().collect();
        let now = self.mongo.read_of(self.apply.database, &names).await?;
        let digests = probe.0.keys().map(|key| (key.clone(), now.digest_of(key)));
        Ok(Some(Probe(digests.collect())))
    }

    async fn done(&self, at: (u32, i32), mark: &str) -> Result<(), Stop> {
        let done = self.mongo.marker_done(self.apply.database, at, mark);
        match done.await? {
            true => Ok(()),
            false => Err(attention(
                "somebody else writes the version marker".to_owned(),
            )),
        }
    }

    /// Keeps what the statement left, where a template is built.
    async fn record(&mut self, (ordinal, step): (u32, i32)) -> Result<(), Stop> {
        let Some((found, before)) = self.record.take() else {
            return Ok(());
        };
        let after = self.mongo.read(self.apply.database).await?;
        let changed: BTreeSet<String> = before.changed(&after).into_iter().collect();
        let digests = changed.into_iter().map(|key| {
            let digest = after.digest_of(&key);
            (key, digest)
        });
        let place = u32::try_from(step).unwrap_or_default();
        found.push((ordinal, place, Probe(digests.collect())));
        self.record = Some((found, after));
        Ok(())
    }

    async fn execute(&self, command: &Command) -> Result<(), Fault> {
        let (database, mut sent) = command.sent(self.apply.database);
        let database = match database {
            "" => self.apply.database,
            other => other,
        };
        if !command.builds() {
            let limit = self.apply.statement_timeout;
            // It ends at the server too, and not only for who waits: what runs on would meet the
            // next attempt.
            if let Ok(ms) = i64::try_from(limit.as_millis()) {
                sent.insert("maxTimeMS", ms);
            }
            return self
                .mongo
                .run_within(database, sent, limit + ANSWER_DELAY)
                .await
                .map(|_| ());
        }
        let build = self.mongo.build_index(database, sent, BUILD_TIMEOUT);
        tokio::pin!(build);
        loop {
            tokio::select! {
                built = &mut build => return built.map(|_| ()),
                () = tokio::time::sleep(PROGRESS_PAUSE) => self.say_progress(command).await,
            }
        }
    }

    /// Writes into the log how far the server is with an index.
    async fn say_progress(&self, command: &Command) {
        let namespace = format!("{}.{}", self.apply.database, command.collection);
        let asked = doc! {"currentOp": 1, "ns": namespace, "command.createIndexes": {"$exists": 1}};
        let Ok(answer) = self.mongo.run("admin", asked).await else {
            return;
        };
        let running = answer.get_array("inprog").cloned().unwrap_or_default();
        for operation in running.iter().filter_map(Bson::as_document) {
            let progress = operation.get_document("progress").ok();
            let number = |name: &str| match progress.and_then(|progress| progress.get(name)) {
                Some(Bson::Int32(number)) => i64::from(*number),
                Some(Bson::Int64(number)) => *number,
                _ => 0,
            };
            tracing::info!(
                database = self.apply.database,
                collection = command.collection,
                done = number("done"),
                total = number("total"),
                "index is being built"
            );
        }
    }
}

/// What was begun before, and whose objects are neither as they were nor as it leaves them.
fn neither(post: Option<&Probe>, row: &Row, now: Option<&Probe>) -> Stop {
    let (Some(post), Some(now), Some(_)) = (post, now, &row.pre) else {
        return attention(
            "this statement was begun before, and nothing is known by which to tell whether it \
             took effect"
                .to_owned(),
        );
    };
    let differs = |(key, digest): &(&String, &Option<String>)| now.0.get(*key) != Some(digest);
    let keys: Vec<&str> = post
        .0
        .iter()
        .filter(differs)
        .map(|(key, _)| key.as_str())
        .collect();
    attention(format!(
        "this statement was begun before; {} is neither what it was then nor what the statement \
         makes of it. Nothing was run",
        keys.join(", ")
    ))
}
