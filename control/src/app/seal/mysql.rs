//! Sealing on MySQL and MongoDB, where no ledger says what took effect: the workspace's schema is
//! compared with what of it is in the blueprint, and the captures say in which words it came to be.
//!
//! Versions, the new snapshot and the spent captures are one transaction of the store: a crash
//! leaves all of it or nothing.

use tenantsdb_codecs::feed::capture::Capture;
use tenantsdb_codecs::feed::id::{Engine, workspace_database};
use tenantsdb_codecs::sql::mysql::{self, Effect, Mode};
use time::OffsetDateTime;

use crate::blueprint::{
    Excluded, Patience, Settled, Settlement, Settling, Snapshot, Statement, infer, is_open, mongo,
    settle,
};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::provision::Provisioner;
use crate::store::blueprints::{self, Blueprint};
use crate::store::{Write, captures, now, snapshots, versions};

/// How often the workspace is looked at again because captures came meanwhile.
const LOOKS_MAX: u32 = 5;
/// Who is said to have run statements that correct what was recorded.
const CORRECTION: &str = "tenantsdb-control";

/// Whether the capture says that something was run, and not what: then no other will tell what came
/// of it.
pub(super) fn is_opaque(engine: Engine, capture: &Capture) -> bool {
    if engine == Engine::MongoDb {
        let mut texts = capture.statements.iter().map(|statement| &statement.text);
        return texts.any(|text| mongo::command::Command::read(text, &capture.database).is_err());
    }
    let context = capture.context.as_ref();
    let mode = context.map_or_else(Mode::default, |context| {
        Mode::of_sql_mode(&context.sql_mode)
    });
    let mut texts = capture
        .statements
        .iter()
        .map(|statement| statement.text.trim());
    texts.any(|text| text.is_empty() || mysql::effect(text, mode) == Effect::Opaque)
}

/// Whether all captures but this one have been used.
pub(super) async fn is_alone(context: &Context, blueprint: &str, id: &str) -> Result<bool> {
    let waiting = captures::received(&mut *context.store.read().await?, blueprint).await?;
    Ok(waiting.iter().all(|(capture, _)| capture.id == id))
}

/// One pass; `None` if it is worth to wait for captures that are on their way. The lock is the
/// caller's.
pub(super) async fn attempt(
    context: &Context,
    blueprint: &Blueprint,
    patience: Patience,
) -> Result<Option<u32>> {
    let name = &blueprint.name;
    let mut read = context.store.read().await?;
    let before = snapshots::fetch(&mut read, name).await?.unwrap_or_default();
    drop(read);
    let seen = look(context, blueprint, patience).await?;
    if seen.captures.is_empty() && before == seen.after {
        return Ok(Some(blueprint.ordinal));
    }
    let given = Settling {
        workspace: &workspace_database(name),
        before: &before,
        after: &seen.after,
        captures: &seen.captures,
        alive: &seen.alive,
        busy: seen.busy,
        patience,
        excluded: &Excluded::default(),
        now: OffsetDateTime::now_utc(),
    };
    let settled = match blueprint.engine {
        Engine::MongoDb => mongo::settle(&given),
        _ => settle(&given),
    };
    let settlement = match settled {
        Settled::Wait => return Ok(None),
        Settled::Now(settlement) => settlement,
    };
    let mut write = context.store.write().await?;
    let ordinal = record(&mut write, name, &before, &settlement).await?;
    write.commit().await?;
    super::note(context, blueprint, ordinal);
    Ok(Some(ordinal))
}

/// Makes a version of the difference between the template of the newest version and the workspace:
/// two sessions that change one table at the same time may be recorded in another order than they
/// did it in. Gives the newest ordinal. The lock is the caller's.
pub(super) async fn correct(context: &Context, name: &str, ordinal: u32) -> Result<u32> {
    let mut read = context.store.read().await?;
    let blueprint = blueprints::fetch(&mut read, name)
        .await?
        .ok_or_else(|| Error::not_found("workspace", name))?;
    let last = (ordinal.checked_sub(1), ordinal);
    let last = versions::list(&mut read, name, last, 1).await?;
    let known = snapshots::fetch(&mut read, name).await?.unwrap_or_default();
    drop(read);
    // One that did not help is not followed by another.
    let corrected = last
        .iter()
        .flat_map(|dated| &dated.version.statements)
        .any(|statement| statement.application_name == CORRECTION);
    if blueprint.ordinal != ordinal || corrected {
        return Ok(blueprint.ordinal);
    }
    let seen = look(context, &blueprint, Patience::Over).await?;
    if seen.busy || !seen.captures.is_empty() || seen.after != known {
        return Ok(ordinal);
    }
    let provisioner = context.provisioner(&blueprint.server_id).await?;
    let template = provisioner.template_snapshot(name, ordinal).await?;
    let statements = corrections(blueprint.engine, &template, &known);
    if statements.is_empty() {
        return Ok(ordinal);
    }
    tracing::warn!(
        blueprint = name,
        "what was recorded does not give the workspace's schema; the difference is a version"
    );
    let settlement = Settlement {
        versions: vec![statements],
        snapshot: known.clone(),
        ..Settlement::default()
    };
    let mut write = context.store.write().await?;
    let newest = record(&mut write, name, &known, &settlement).await?;
    write.commit().await?;
    super::note(context, &blueprint, newest);
    Ok(newest)
}

fn corrections(engine: Engine, template: &Snapshot, workspace: &Snapshot) -> Vec<Statement> {
    let keys = template.changed(workspace);
    let now = OffsetDateTime::now_utc();
    let mut statements: Vec<Statement> = match engine {
        Engine::MongoDb => {
            let commands = mongo::infer(template, workspace, &keys);
            let each = commands
                .iter()
                .map(|command| mongo::statement(command, now));
            each.collect()
        }
        _ => {
            let inferred = infer(template, workspace, &keys).into_iter();
            inferred.map(|inferred| inferred.statement(now)).collect()
        }
    };
    for statement in &mut statements {
        CORRECTION.clone_into(&mut statement.application_name);
    }
    statements
}

/// What was to be seen at one moment.
struct Seen {
    captures: Vec<(Capture, OffsetDateTime)>,
    /// Threads of captures that still run.
    alive: Vec<i64>,
    /// Whether something is being executed in the workspace.
    busy: bool,
    after: Snapshot,
}

/// Looks at the captures and then at the workspace. If captures came meanwhile, once more: their
/// effect may be in the schema that was seen, and would be taken for another's.
async fn look(context: &Context, blueprint: &Blueprint, patience: Patience) -> Result<Seen> {
    let name = &blueprint.name;
    let provisioner = context.provisioner(&blueprint.server_id).await?;
    let database = workspace_database(name);
    let mut attempts = 0;
    loop {
        attempts += 1;
        // Before the schema: what these announce is then in it for certain.
        let captures = captures::received(&mut *context.store.read().await?, name).await?;
        // Before the schema, too: what a thread did that is gone by now is in it.
        let alive = alive(&provisioner, &captures).await?;
        let busy =
            patience == Patience::Over && !provisioner.threads_busy(&database).await?.is_empty();
        let after = provisioner.snapshot(&database).await?;
        let since = captures::received(&mut *context.store.read().await?, name).await?;
        if since.len() == captures.len() || attempts == LOOKS_MAX {
            return Ok(Seen {
                captures,
                alive,
                busy,
                after,
            });
        }
    }
}

async fn alive(
    provisioner: &Provisioner,
    captures: &[(Capture, OffsetDateTime)],
) -> Result<Vec<i64>> {
    let threads: Vec<i64> = captures
        .iter()
        .filter(|(capture, _)| is_open(capture))
        .map(|(capture, _)| capture.pid)
        .collect();
    if threads.is_empty() {
        return Ok(Vec::new());
    }
    Ok(provisioner.threads_alive(&threads).await?)
}

/// Makes the versions, and spends what they were made of. Gives the newest ordinal.
pub(super) async fn record(
    write: &mut Write<'_>,
    blueprint: &str,
    before: &Snapshot,
    settlement: &Settlement,
) -> Result<u32> {
    let mut ordinal = blueprints::fetch(write, blueprint)
        .await?
        .ok_or_else(|| Error::not_found("workspace", blueprint))?
        .ordinal;
    for statements in &settlement.versions {
        ordinal += 1;
        versions::insert(write, blueprint, ordinal, &now()).await?;
        for (place, statement) in (1..).zip(statements) {
            versions::statement_insert(write, blueprint, ordinal, place, statement).await?;
        }
    }
    blueprints::ordinal_set(write, blueprint, ordinal).await?;
    for id in &settlement.spent {
        captures::spend(write, id).await?;
    }
    for rest in &settlement.kept {
        captures::reduce(write, rest).await?;
    }
    if settlement.snapshot != *before {
        snapshots::put(write, blueprint, &settlement.snapshot).await?;
    }
    Ok(ordinal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blueprint::Origin;
    use crate::store::Store;
    use crate::store::tests::{blueprint, empty, server};
    use tenantsdb_codecs::feed::capture::{CapturedStatement, Context as Settings, Outcome};

    fn sent(id: &str, texts: &[&str]) -> Capture {
        Capture {
            id: id.to_owned(),
            database: "a_dev".to_owned(),
            pid: 7,
            user: "a_dev".to_owned(),
            application_name: String::new(),
            statements: texts
                .iter()
                .map(|text| CapturedStatement {
                    text: (*text).to_owned(),
                    outcome: Outcome::Unknown,
                    ..CapturedStatement::default()
                })
                .collect(),
            context: Some(Settings::default()),
        }
    }

    fn schema(objects: &[(&str, &str)]) -> Snapshot {
        let owned = |(key, text): &(&str, &str)| ((*key).to_owned(), (*text).to_owned());
        Snapshot(objects.iter().map(owned).collect())
    }

    async fn settled(store: &Store, settlement: &Settlement) -> u32 {
        let mut write = store.write().await.unwrap();
        let before = snapshots::fetch(&mut write, "a").await.unwrap();
        let before = before.unwrap_or_default();
        let ordinal = record(&mut write, "a", &before, settlement).await.unwrap();
        write.commit().await.unwrap();
        ordinal
    }

    #[tokio::test]
    async fn versions_captures_and_the_schema_change_together() {
        let (_dir, store) = empty().await;
        server(&store, "s", None).await;
        blueprint(&store, "s").await;
        let mut write = store.write().await.unwrap();
        for capture in [
            sent("s:1", &["CREATE TABLE t (id int)"]),
            sent("s:2", &["A", "B"]),
        ] {
            captures::insert(&mut write, "a", &capture).await.unwrap();
        }
        write.commit().await.unwrap();
        let statement = Statement {
            ddl: "CREATE TABLE t (id int)".to_owned(),
            tag: "CREATE TABLE".to_owned(),
            search_path: String::new(),
            deploy: true,
            origin: Origin::Wire,
            captured_at: OffsetDateTime::UNIX_EPOCH,
            user: "a_dev".to_owned(),
            application_name: String::new(),
            context: Some(Settings {
                sql_mode: "ANSI".to_owned(),
                ..Settings::default()
            }),
            probe: None,
        };
        let settlement = Settlement {
            versions: vec![vec![statement.clone()]],
            spent: vec!["s:1".to_owned()],
            kept: vec![sent("s:2", &["B"])],
            snapshot: schema(&[("table t", "(id int)")]),
        };
        assert_eq!(settled(&store, &settlement).await, 1);
        let mut read = store.read().await.unwrap();
        let stored = snapshots::fetch(&mut read, "a").await.unwrap();
        assert_eq!(stored.as_ref(), Some(&settlement.snapshot));
        let versions = versions::up_to(&mut read, "a", 1).await.unwrap();
        assert_eq!(versions[0].statements, [statement]);
        let left = captures::received(&mut read, "a").await.unwrap();
        let left: Vec<Capture> = left.into_iter().map(|(capture, _)| capture).collect();
        assert_eq!(left, [sent("s:2", &["B"])]);
        drop(read);
        // A proxy that did not get the answer sends it again.
        let mut write = store.write().await.unwrap();
        captures::insert(&mut write, "a", &sent("s:1", &["X"]))
            .await
            .unwrap();
        let left = captures::received(&mut write, "a").await.unwrap();
        assert_eq!(left.len(), 1);
        blueprints::delete(&mut write, "a").await.unwrap();
        assert!(snapshots::fetch(&mut write, "a").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_changes_nothing_for_the_blueprint_makes_no_version() {
        let (_dir, store) = empty().await;
        server(&store, "s", None).await;
        blueprint(&store, "s").await;
        assert_eq!(settled(&store, &Settlement::default()).await, 0);
        let mut read = store.read().await.unwrap();
        assert!(snapshots::fetch(&mut read, "a").await.unwrap().is_none());
    }
}
