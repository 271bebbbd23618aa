//! CLIENT: about this client and the others of its database in this process.

use super::super::registry::Member;
use super::super::registry::client::{Client, Names};
use super::super::registry::filter::Filter;
use super::answer::Answer;

/// Longest name of a client, and of its library. Redis has no such bound; each is kept for as long
/// as the client is there.
const NAME_BYTES_MAX: usize = 1024;

/// What comes of a command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The session goes on.
    Answer(Answer),
    /// The client is to go once it has been told: it has ended itself.
    Last(Answer),
}

impl From<Answer> for Said {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// Answers CLIENT; `words` are those behind it. REPLY, TRACKING and CACHING are the session's own
/// business and do not come here.
pub(crate) fn client(words: &[&[u8]], member: &Member) -> Said {
    let Some((name, rest)) = words.split_first() else {
        return Answer::error("ERR wrong number of arguments for 'client' command").into();
    };
    let subcommand = String::from_utf8_lossy(name).to_ascii_lowercase();
    let client = member.client();
    let answer = match (subcommand.as_str(), rest) {
        ("id", []) => Answer::count(client.id),
        ("info", []) => Answer::Text(lines([client.as_ref()])),
        ("list", words) => list(words, member),
        ("kill", [_, ..]) => return kill(rest, member),
        ("getname", []) => match client.names().name {
            name if name.is_empty() => Answer::Null,
            name => Answer::Bulk(name.into()),
        },
        ("setname", [name]) => set_name(name, client),
        ("setinfo", [option, value]) => set_info(option, value, client),
        // No client is put out for the memory that it takes, here or at the server: it is for the
        // server connections that the server would do so.
        ("no-evict", [switch]) if is_switch(switch) => Answer::OK,
        ("no-touch", [switch]) if switch.eq_ignore_ascii_case(b"off") => Answer::OK,
        ("no-touch", [switch]) if is_switch(switch) => Answer::error(
            "NOPERM CLIENT NO-TOUCH is of a server connection, and the proxy's clients share these",
        ),
        ("no-evict" | "no-touch", [_]) => Answer::error("ERR syntax error"),
        // What a client can do beyond the ordinary is of no use here: no server redirects it.
        ("capa", [_, ..]) => Answer::OK,
        // As of a client that is not tracking; one that is, is answered by its session.
        ("getredir", []) => Answer::Integer(-1),
        ("trackinginfo", []) => tracking_info(),
        ("pause" | "unpause", _) => {
            Answer::error("NOPERM CLIENT PAUSE is of a whole server, which other tenants use too")
        }
        ("unblock", [_, ..]) => Answer::error(
            "NOPERM CLIENT UNBLOCK is not available: let blocking commands have a timeout, or end \
             the client with CLIENT KILL",
        ),
        ("help", []) => Answer::help(HELP),
        _ if SUBCOMMANDS.contains(&subcommand.as_str()) => Answer::error(format!(
            "ERR wrong number of arguments for 'client|{subcommand}' command"
        )),
        _ => Answer::error(format!(
            "ERR unknown subcommand '{}'. Try CLIENT HELP.",
            shown(name)
        )),
    };
    answer.into()
}

const SUBCOMMANDS: [&str; 15] = [
    "capa",
    "id",
    "info",
    "list",
    "kill",
    "getname",
    "setname",
    "setinfo",
    "no-evict",
    "no-touch",
    "getredir",
    "trackinginfo",
    "unblock",
    "help",
    "reply",
];

const HELP: &[&str] = &[
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CACHING (YES|NO)",
    "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    "GETNAME",
    "    Return the name of the current connection.",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "ID",
    "    Return the ID of the current connection: it means something to this proxy only.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>, if it is one of this database to this proxy.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections of this database to this proxy. Options are:",
    "    ADDR, LADDR, TYPE (NORMAL|PUBSUB), USER, SKIPME (YES|NO), ID, MAXAGE.",
    "LIST [TYPE (NORMAL|PUBSUB)|ID <client-id> [...]]",
    "    Return the connections of this database to this proxy; `pinned=` says why one keeps its",
    "    server connection.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETINFO <LIB-NAME|LIB-VER> <value>",
    "    Set what the connection says of its client library.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
    "    Control server assisted client side caching.",
    "TRACKINGINFO",
    "    Report tracking status for the current connection.",
    "HELP",
    "    Print this help.",
];

fn list(words: &[&[u8]], member: &Member) -> Answer {
    let filter = match Filter::of_list(words) {
        Ok(filter) => filter,
        Err(error) => return Answer::error(error.to_string()),
    };
    let clients = member.tenant().clients();
    let meant = clients.iter().filter(|client| filter.means(client));
    Answer::Text(lines(meant.map(AsRef::as_ref)))
}

fn lines<'a>(clients: impl IntoIterator<Item = &'a Client>) -> Vec<u8> {
    let mut text = Vec::new();
    for client in clients {
        client.describe(&mut text);
        text.push(b'\n');
    }
    text
}

fn kill(words: &[&[u8]], member: &Member) -> Said {
    let own = member.client().id;
    let (filter, by_address) = match words {
        [address] => (Ok(Filter::address(address)), true),
        words => (Filter::of_kill(words, own), false),
    };
    let filter = match filter {
        Ok(filter) => filter,
        Err(error) => return Answer::error(error.to_string()).into(),
    };
    let clients = member.tenant().clients();
    let (mut killed, mut own_too) = (0_usize, false);
    for client in clients.iter().filter(|client| filter.means(client)) {
        killed += 1;
        if client.id == own {
            own_too = true;
        } else {
            client.kill();
        }
    }
    let answer = match (by_address, killed) {
        (true, 0) => Answer::error("ERR No such client"),
        (true, _) => Answer::OK,
        (false, killed) => Answer::count(killed),
    };
    if own_too {
        Said::Last(answer)
    } else {
        Said::Answer(answer)
    }
}

fn set_name(name: &[u8], client: &Client) -> Answer {
    match check_name(name) {
        Err(Unfit::Bytes) => {
            Answer::error("ERR Client names cannot contain spaces, newlines or special characters.")
        }
        Err(Unfit::Long) => Answer::error("ERR Client names are at most 1024 bytes long."),
        Ok(()) => {
            client.rename(|names| names.name = name.into());
            Answer::OK
        }
    }
}

fn set_info(option: &[u8], value: &[u8], client: &Client) -> Answer {
    let place: fn(&mut Names) -> &mut Box<[u8]> = match option.to_ascii_lowercase().as_slice() {
        b"lib-name" => |names| &mut names.lib_name,
        b"lib-ver" => |names| &mut names.lib_ver,
        _ => {
            let option = shown(option);
            return Answer::error(format!("ERR Unrecognized option '{option}'"));
        }
    };
    match check_name(value) {
        Ok(()) => {
            client.rename(|names| *place(names) = value.into());
            Answer::OK
        }
        Err(_) => Answer::error(format!(
            "ERR {} cannot contain spaces, newlines or special characters.",
            shown(option)
        )),
    }
}

/// Why a name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It would break the lines of CLIENT LIST.
    Bytes,
    /// Too long to be kept.
    Long,
}

/// Whether a client may call itself so; HELLO SETNAME too.
pub(crate) fn check_name(name: &[u8]) -> Result<(), Unfit> {
    if name.len() > NAME_BYTES_MAX {
        return Err(Unfit::Long);
    }
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        Ok(())
    } else {
        Err(Unfit::Bytes)
    }
}

fn tracking_info() -> Answer {
    let text = |text: &str| Answer::Bulk(text.into());
    Answer::Map(vec![
        (text("flags"), Answer::Set(vec!["off"])),
        (text("redirect"), Answer::Integer(-1)),
        (text("prefixes"), Answer::Array(Vec::new())),
    ])
}

fn is_switch(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"on") || word.eq_ignore_ascii_case(b"off")
}

/// What a client has said, for an error: at most 128 bytes of it, as in Redis.
fn shown(word: &[u8]) -> String {
    let word = word.get(..128).unwrap_or(word);
    String::from_utf8_lossy(word).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::registry::tests::entrance;
    use super::super::super::registry::{Member, Tenants};
    use super::*;

    fn members() -> [Member; 3] {
        let tenants = Arc::<Tenants>::default();
        [
            tenants.enter(entrance("app__acme", 1)),
            tenants.enter(entrance("app__acme", 2)),
            tenants.enter(entrance("app__globex", 3)),
        ]
    }

    fn ask(member: &Member, words: &str) -> Said {
        let words: Vec<&[u8]> = words.split_whitespace().map(str::as_bytes).collect();
        client(&words, member)
    }

    fn text(said: Said) -> String {
        match said {
            Said::Answer(Answer::Text(text) | Answer::Bulk(text)) => {
                String::from_utf8(text).unwrap()
            }
            Said::Answer(Answer::Error(text)) => text.into_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_client_sees_those_of_its_database_only() {
        let [first, second, other] = members();
        let all = text(ask(&first, "LIST"));
        assert_eq!(all.lines().count(), 2, "{all}");
        assert!(all.lines().all(|line| line.contains("user=app__acme")));
        let one = text(ask(&first, &format!("LIST ID {}", second.client().id)));
        assert_eq!(one.lines().count(), 1);
        let foreign = text(ask(&first, &format!("LIST ID {}", other.client().id + 100)));
        assert_eq!(foreign, "");
        assert_eq!(
            text(ask(&first, "INFO")),
            all.lines().next().unwrap().to_owned() + "\n"
        );
    }

    #[tokio::test]
    async fn a_client_ends_those_of_its_database_only() {
        let [first, second, other] = members();
        for words in [
            "KILL 192.0.2.1:3",
            "KILL ADDR 192.0.2.1:3",
            "KILL USER app__globex",
        ] {
            ask(&first, words);
            assert!(!other.client().is_killed(), "{words}");
        }
        assert_eq!(text(ask(&first, "KILL 192.0.2.1:3")), "ERR No such client");
        let said = ask(&first, "KILL ADDR 192.0.2.1:3");
        assert_eq!(said, Said::Answer(Answer::Integer(0)));
        assert_eq!(ask(&first, "KILL 192.0.2.1:2"), Said::Answer(Answer::OK));
        assert!(second.client().is_killed());
        assert!(!first.client().is_killed());
        let own = format!("KILL ID {} SKIPME no", first.client().id);
        assert_eq!(ask(&first, &own), Said::Last(Answer::Integer(1)));
        assert_eq!(ask(&first, "KILL 192.0.2.1:1"), Said::Last(Answer::OK));
    }

    #[tokio::test]
    async fn names_are_kept_if_they_do_not_break_the_lines() {
        let [first, ..] = members();
        assert_eq!(ask(&first, "GETNAME"), Said::Answer(Answer::Null));
        assert_eq!(ask(&first, "SETNAME job"), Said::Answer(Answer::OK));
        assert_eq!(text(ask(&first, "GETNAME")), "job");
        let broken = client(&[b"SETNAME", b"a b"], &first);
        assert!(text(broken).starts_with("ERR Client names"));
        assert_eq!(
            ask(&first, "SETINFO LIB-NAME redis-py"),
            Said::Answer(Answer::OK)
        );
        assert_eq!(
            ask(&first, "SETINFO lib-ver 5.0.1"),
            Said::Answer(Answer::OK)
        );
        let line = text(ask(&first, "INFO"));
        assert!(line.contains(" name=job ") && line.contains(" lib-name=redis-py lib-ver=5.0.1"));
        let unknown = text(ask(&first, "SETINFO x y"));
        assert_eq!(unknown, "ERR Unrecognized option 'x'");
        assert_eq!(client(&[b"SETNAME", b""], &first), Said::Answer(Answer::OK));
        assert_eq!(ask(&first, "GETNAME"), Said::Answer(Answer::Null));
    }

    #[tokio::test]
    async fn what_is_refused_says_why() {
        let [first, ..] = members();
        for words in ["PAUSE 100", "UNPAUSE", "UNBLOCK 1", "NO-TOUCH on"] {
            assert!(text(ask(&first, words)).starts_with("NOPERM "), "{words}");
        }
        assert_eq!(
            text(ask(&first, "FOO")),
            "ERR unknown subcommand 'FOO'. Try CLIENT HELP."
        );
        let arity = "ERR wrong number of arguments for 'client|setname' command";
        assert_eq!(text(ask(&first, "SETNAME")), arity);
    }
}
