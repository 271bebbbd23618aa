//! Commands that the proxy answers itself, of a client whose keys have a prefix.
//!
//! - [`at_once`]: what it knows without asking anybody.
//! - [`job`]: what it asks the server on the client's behalf, over all names; once all that the
//!   client is owed has come.
//! - [`refresh`]: the count for a database's limits, beside its sessions.
//! - [`client`], [`script`]: CLIENT and SCRIPT.
//! - [`answer`]: a reply in the client's protocol.

pub(crate) mod answer;
pub(crate) mod client;
pub(crate) mod job;
pub(crate) mod refresh;
pub(crate) mod script;

use tenantsdb_codecs::redis::command::Local;

use super::registry::Member;
use answer::Answer;
use client::Said;

/// Answers a command that needs no server; `words` are those behind its name. `None`: it is one of
/// [`job`]'s, or of the session's own.
pub(crate) fn at_once(local: Local, words: &[&[u8]], member: &Member) -> Option<Said> {
    let answer = match local {
        Local::Client => return Some(client::client(words, member)),
        Local::Select => select(words),
        Local::AclWhoAmI => Answer::Bulk(member.client().user.as_bytes().to_vec()),
        Local::Role => role(),
        Local::ScriptFlush => match words {
            [_] => flush_scripts(member),
            [_, how] if is_sync_or_async(how) => flush_scripts(member),
            _ => Answer::error("ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
        },
        Local::PubSub => match words {
            [name] if name.eq_ignore_ascii_case(b"numpat") => {
                Answer::count(member.tenant().patterns())
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(answer.into())
}

/// A tenant has one database, whatever the server has.
fn select(words: &[&[u8]]) -> Answer {
    let index = match words {
        [index] => std::str::from_utf8(index).ok(),
        _ => return Answer::error("ERR wrong number of arguments for 'select' command"),
    };
    match index.and_then(|index| index.parse::<i32>().ok()) {
        Some(0) => Answer::OK,
        Some(_) => Answer::error("ERR DB index is out of range: there is database 0 only"),
        None => Answer::error("ERR value is not an integer or out of range"),
    }
}

/// As of a master that nothing was written to and that has no replicas: where the server stands is
/// not the tenant's business.
fn role() -> Answer {
    let master = Answer::Bulk(b"master".to_vec());
    Answer::Array(vec![master, Answer::Integer(0), Answer::Array(Vec::new())])
}

fn flush_scripts(member: &Member) -> Answer {
    member.tenant().scripts.flush();
    Answer::OK
}

fn is_sync_or_async(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"sync") || word.eq_ignore_ascii_case(b"async")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::registry::Tenants;
    use super::super::registry::tests::entrance;
    use super::*;

    fn member() -> Member {
        Arc::<Tenants>::default().enter(entrance("app__acme", 1))
    }

    fn ask(local: Local, words: &str, member: &Member) -> Option<Answer> {
        let words: Vec<&[u8]> = words.split_whitespace().map(str::as_bytes).collect();
        match at_once(local, &words, member)? {
            Said::Answer(answer) => Some(answer),
            Said::Last(answer) => panic!("{answer:?}"),
        }
    }

    fn error(answer: Option<Answer>) -> String {
        match answer {
            Some(Answer::Error(text)) => text.into_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn there_is_one_database() {
        let member = member();
        assert_eq!(ask(Local::Select, "0", &member), Some(Answer::OK));
        let refused = error(ask(Local::Select, "1", &member));
        assert!(
            refused.starts_with("ERR DB index is out of range"),
            "{refused}"
        );
        let refused = error(ask(Local::Select, "x", &member));
        assert_eq!(refused, "ERR value is not an integer or out of range");
    }

    #[tokio::test]
    async fn a_flush_of_scripts_is_of_the_tenant() {
        let member = member();
        assert!(!member.tenant().scripts.is_flushed());
        let refused = error(ask(Local::ScriptFlush, "FLUSH now", &member));
        assert!(refused.contains("SYNC|ASYNC"), "{refused}");
        assert_eq!(
            ask(Local::ScriptFlush, "FLUSH async", &member),
            Some(Answer::OK)
        );
        assert!(member.tenant().scripts.is_flushed());
    }

    #[tokio::test]
    async fn what_needs_the_server_is_left_to_it() {
        let member = member();
        for local in [
            Local::DbSize,
            Local::Keys,
            Local::Info,
            Local::Flush,
            Local::ScriptExists,
        ] {
            assert_eq!(ask(local, "x", &member), None);
        }
        assert_eq!(ask(Local::PubSub, "CHANNELS", &member), None);
        assert_eq!(
            ask(Local::PubSub, "numpat", &member),
            Some(Answer::Integer(0))
        );
        let whoami = Some(Answer::Bulk(b"app__acme".to_vec()));
        assert_eq!(ask(Local::AclWhoAmI, "WHOAMI", &member), whoami);
    }
}
