//! The settings that a statement is run with.

use std::time::Duration;

use tenantsdb_codecs::feed::capture::Context;
use time::OffsetDateTime;

use super::connect::{Fault, Session, refused};
use super::flavour::Flavour;
use super::schema::Setting;

/// A captured context as a SET statement; the clock stands at `at`. Without a context, the server's
/// own defaults.
pub(super) fn context(context: Option<&Context>, at: OffsetDateTime) -> Result<String, Fault> {
    let seconds = at.unix_timestamp().max(1);
    let Some(context) = context else {
        return Ok(format!(
            "SET SESSION sql_mode = @@GLOBAL.sql_mode, SESSION autocommit = 1, \
             SESSION foreign_key_checks = 1, SESSION timestamp = {seconds}"
        ));
    };
    Ok(format!(
        "SET {}, SESSION foreign_key_checks = {}, SESSION default_storage_engine = {}, \
         SESSION autocommit = 1, SESSION timestamp = {seconds}",
        quoting(
            &context.sql_mode,
            &context.character_set_client,
            &context.collation_connection
        )?,
        u8::from(context.foreign_key_checks),
        plain(&context.default_storage_engine)?,
    ))
}

/// MySQL lets a plain account set this only to what it is.
pub(super) async fn explicit_defaults(
    session: &mut Session,
    context: Option<&Context>,
) -> Result<(), Fault> {
    let Some(wanted) = context.map(|context| context.explicit_defaults_for_timestamp) else {
        return Ok(());
    };
    let is = session
        .value("SELECT @@SESSION.explicit_defaults_for_timestamp")
        .await?;
    if is.as_deref() == Some(if wanted { "1" } else { "0" }) {
        return Ok(());
    }
    let sql = format!(
        "SET SESSION explicit_defaults_for_timestamp = {}",
        u8::from(wanted)
    );
    session.run(&sql).await.map(|_| ())
}

/// What a view or a program was made with, as a SET statement.
pub(super) fn setting(setting: &Setting, starts: Option<i64>) -> Result<String, Fault> {
    let time_zone = setting.time_zone.as_deref().unwrap_or("SYSTEM");
    let timestamp = starts.map_or_else(|| "DEFAULT".to_owned(), |starts| starts.to_string());
    Ok(format!(
        "SET {}, SESSION time_zone = {}, SESSION timestamp = {timestamp}",
        quoting(
            setting.sql_mode.as_deref().unwrap_or_default(),
            &setting.character_set_client,
            &setting.collation_connection
        )?,
        plain(time_zone)?
    ))
}

/// How long the session's statements wait for a lock, in whole seconds, and may run.
pub(super) fn limits(flavour: Flavour, lock: Duration, statement: Duration) -> String {
    let seconds = lock.as_millis().div_ceil(1000).max(1);
    let statement = match flavour {
        Flavour::MariaDb => format!(", SESSION max_statement_time = {}", statement.as_secs_f64()),
        // MySQL's own limit is for SELECT only.
        Flavour::MySql => String::new(),
    };
    format!(
        "SET SESSION lock_wait_timeout = {seconds}, SESSION innodb_lock_wait_timeout = {seconds}\
         {statement}"
    )
}

fn quoting(sql_mode: &str, client: &str, collation: &str) -> Result<String, Fault> {
    Ok(format!(
        "SESSION sql_mode = {}, SESSION character_set_client = {}, \
         SESSION collation_connection = {}",
        plain(sql_mode)?,
        plain(client)?,
        plain(collation)?
    ))
}

/// A value in quotes. It comes from a client or a schema, and the session may quote in any manner:
/// characters that could end the quotes are refused.
fn plain(value: &str) -> Result<String, Fault> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_,-+:/ ".contains(c);
    if value.chars().all(is_plain) {
        return Ok(format!("'{value}'"));
    }
    Err(refused(
        "a setting of the session has a value that no server gives",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_could_end_its_quotes_is_refused() {
        assert!(plain("ANSI_QUOTES,STRICT_ALL_TABLES").is_ok());
        assert!(plain("+02:00").is_ok());
        for value in ["'", "\"", "\\", "a;b", "ü"] {
            assert!(plain(value).is_err());
        }
    }

    #[test]
    fn a_lock_is_waited_for_in_whole_seconds() {
        let text = limits(
            Flavour::MySql,
            Duration::from_millis(1200),
            Duration::from_secs(1),
        );
        assert!(text.contains(" lock_wait_timeout = 2,"));
    }
}
