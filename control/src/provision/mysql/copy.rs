//! A schema's objects made again in an empty one.

use super::connect::{Fault, STATEMENT_TIMEOUT, Session, refused};
use super::quote::{ident, literal};
use super::schema::{Kind, Object, Schema};
use super::session;

/// For tables: whatever SHOW CREATE gives is taken, in any order of references. For programs their
/// own settings follow.
const SETTINGS: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, \
    SESSION foreign_key_checks = 0, SESSION unique_checks = 0, SESSION sql_mode = \
    'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION'";

/// Makes all objects of `from` in the session's own schema `database`, which has its defaults
/// already. The session is the deploy account's: what the texts hold gets no further than that.
pub(super) async fn copy(
    session: &mut Session,
    from: &Schema,
    database: &str,
) -> Result<(), Fault> {
    session.run(SETTINGS).await?;
    let mut collation = from.collation.clone();
    let mut views = Vec::new();
    for object in &from.objects {
        if object.kind > Kind::View && !views.is_empty() {
            make_views(session, std::mem::take(&mut views)).await?;
        }
        if object.kind == Kind::View {
            views.push(object);
            continue;
        }
        default_collation(session, database, object, &mut collation).await?;
        make(session, object).await?;
    }
    make_views(session, views).await?;
    if collation != from.collation {
        set_collation(session, database, &from.collation).await?;
    }
    Ok(())
}

/// A program keeps the collation that its schema had when it was made.
async fn default_collation(
    session: &mut Session,
    database: &str,
    object: &Object,
    current: &mut String,
) -> Result<(), Fault> {
    let wanted = object
        .setting
        .as_ref()
        .and_then(|setting| setting.database_collation.as_deref());
    if let Some(wanted) = wanted.filter(|wanted| wanted != current) {
        set_collation(session, database, wanted).await?;
        wanted.clone_into(current);
    }
    Ok(())
}

async fn set_collation(
    session: &mut Session,
    database: &str,
    collation: &str,
) -> Result<(), Fault> {
    let sql = format!(
        "ALTER DATABASE {} COLLATE {}",
        ident(database),
        literal(collation)
    );
    session.run(&sql).await.map(|_| ())
}

/// Views may stand on each other, and only the server knows how: those that fail are tried again
/// when others stand.
async fn make_views(session: &mut Session, mut views: Vec<&Object>) -> Result<(), Fault> {
    while !views.is_empty() {
        let before = views.len();
        let mut failed = Vec::new();
        let mut first = None;
        for view in views {
            match make(session, view).await {
                Ok(()) => {}
                Err(fault) if fault.number != 0 => {
                    failed.push(view);
                    first.get_or_insert(fault);
                }
                Err(fault) => return Err(fault),
            }
        }
        if let Some(fault) = first.filter(|_| failed.len() == before) {
            return Err(fault);
        }
        views = failed;
    }
    Ok(())
}

async fn make(session: &mut Session, object: &Object) -> Result<(), Fault> {
    if let Some(setting) = &object.setting {
        let sql = session::setting(setting, object.starts)?;
        session.run(&sql).await?;
    }
    match session.captured(&object.text, STATEMENT_TIMEOUT).await? {
        1 => Ok(()),
        _ => Err(refused(format!(
            "the definition of {} is more than one statement",
            object.key()
        ))),
    }
}
