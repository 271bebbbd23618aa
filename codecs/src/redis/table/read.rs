//! From the tree of a reply to COMMAND.

use std::collections::HashMap;

use super::{Begin, Command, Find, KeySpec};
use crate::redis::Error;
use crate::redis::command::course::Course;
use crate::redis::value::Value;

const BROKEN: Error = Error::Invalid("reply to COMMAND");

/// Fields of a command; a later server may have more.
const FIELDS: usize = 10;

pub(super) fn commands(reply: &Value<'_>) -> Result<HashMap<Box<[u8]>, Command>, Error> {
    let mut commands = HashMap::new();
    for fields in reply.elements().ok_or(BROKEN)? {
        let mut command = command(fields)?;
        for fields in nth(fields, 9)?.elements().ok_or(BROKEN)? {
            // Theirs are empty: there is one level.
            let sub = self::command(fields)?;
            let (_, own) = sub.name.split_once('|').ok_or(BROKEN)?;
            let own = own.as_bytes().into();
            command.subcommands.insert(own, sub);
        }
        commands.insert(command.name.as_bytes().into(), command);
    }
    Ok(commands)
}

fn command(fields: &Value<'_>) -> Result<Command, Error> {
    if fields.elements().ok_or(BROKEN)?.len() < FIELDS {
        return Err(Error::Unsupported("server older than Redis 7.0"));
    }
    let number = |index| nth(fields, index)?.integer().ok_or(BROKEN);
    let specs = nth(fields, 8)?.elements().ok_or(BROKEN)?;
    Ok(Command {
        name: text(nth(fields, 0)?)?.to_ascii_lowercase().into(),
        arity: number(1)?,
        flags: words(nth(fields, 2)?, "")?,
        range: (number(3)?, number(4)?, number(5)?),
        categories: words(nth(fields, 6)?, "@")?,
        specs: specs.iter().map(spec).collect::<Result<_, _>>()?,
        subcommands: HashMap::new(),
        course: Course::default(),
    })
}

fn spec(spec: &Value<'_>) -> Result<KeySpec, Error> {
    let begin = field(spec, "begin_search")?;
    let find = field(spec, "find_keys")?;
    Ok(KeySpec {
        flags: words(field(spec, "flags")?, "")?,
        begin: self::begin(text(field(begin, "type")?)?, field(begin, "spec")?)?,
        find: self::find(text(field(find, "type")?)?, field(find, "spec")?)?,
    })
}

fn begin(kind: &str, spec: &Value<'_>) -> Result<Begin, Error> {
    Ok(match kind {
        "index" => Begin::Index(position(spec, "index")?),
        "keyword" => {
            let word = text(field(spec, "keyword")?)?.into();
            Begin::Keyword(word, number(spec, "startfrom")?)
        }
        _ => Begin::Unknown,
    })
}

fn find(kind: &str, spec: &Value<'_>) -> Result<Find, Error> {
    Ok(match kind {
        "range" => Find::Range {
            last: number(spec, "lastkey")?,
            step: position(spec, "keystep")?,
            limit: position(spec, "limit")?,
        },
        "keynum" => Find::Number {
            number: position(spec, "keynumidx")?,
            first: position(spec, "firstkey")?,
            step: position(spec, "keystep")?,
        },
        _ => Find::Unknown,
    })
}

fn nth<'v, 'i>(value: &'v Value<'i>, index: usize) -> Result<&'v Value<'i>, Error> {
    value
        .elements()
        .and_then(|all| all.get(index))
        .ok_or(BROKEN)
}

fn field<'v, 'i>(map: &'v Value<'i>, name: &str) -> Result<&'v Value<'i>, Error> {
    let mut pairs = map.pairs();
    let found = pairs.find(|(key, _)| key.text() == Some(name));
    found.map(|(_, value)| value).ok_or(BROKEN)
}

fn number(map: &Value<'_>, name: &str) -> Result<i64, Error> {
    field(map, name)?.integer().ok_or(BROKEN)
}

fn position(map: &Value<'_>, name: &str) -> Result<usize, Error> {
    usize::try_from(number(map, name)?).map_err(|_| BROKEN)
}

fn text<'i>(value: &Value<'i>) -> Result<&'i str, Error> {
    value.text().ok_or(BROKEN)
}

/// Words of a list, each without what is before it.
fn words(list: &Value<'_>, before: &str) -> Result<Box<[Box<str>]>, Error> {
    let list = list.elements().ok_or(BROKEN)?;
    list.iter()
        .map(|word| {
            let word = text(word)?;
            Ok(word.strip_prefix(before).unwrap_or(word).into())
        })
        .collect()
}
