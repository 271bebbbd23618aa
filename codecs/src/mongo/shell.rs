//! Commands as one would type them into mongosh.
//!
//! <https://www.mongodb.com/docs/mongodb-shell/reference/methods/>. What has no method there, or
//! has a field that its method does not take, is a `db.runCommand(…)`.

mod value;

use value::{Fields, Tree, is_identifier, quoted};

/// Properties of `db` in mongosh, which hide a collection of the same name.
const OF_DB: &[&str] = &[
    "adminCommand",
    "aggregate",
    "auth",
    "changeUserPassword",
    "cloneDatabase",
    "commandHelp",
    "constructor",
    "copyDatabase",
    "createCollection",
    "createEncryptedCollection",
    "createRole",
    "createUser",
    "createView",
    "currentOp",
    "disableFreeMonitoring",
    "dropAllRoles",
    "dropAllUsers",
    "dropDatabase",
    "dropRole",
    "dropUser",
    "enableFreeMonitoring",
    "eval",
    "fsyncLock",
    "fsyncUnlock",
    "getCollection",
    "getCollectionInfos",
    "getCollectionNames",
    "getFreeMonitoringStatus",
    "getLastError",
    "getLastErrorObj",
    "getLogComponents",
    "getMongo",
    "getName",
    "getProfilingStatus",
    "getReplicationInfo",
    "getRole",
    "getRoles",
    "getSiblingDB",
    "getUser",
    "getUsers",
    "grantPrivilegesToRole",
    "grantRolesToRole",
    "grantRolesToUser",
    "hello",
    "help",
    "hostInfo",
    "isMaster",
    "killOp",
    "listCommands",
    "logout",
    "printCollectionStats",
    "printReplicationInfo",
    "printSecondaryReplicationInfo",
    "printShardingStatus",
    "revokePrivilegesFromRole",
    "revokeRolesFromRole",
    "revokeRolesFromUser",
    "rotateCertificates",
    "runCommand",
    "serverBits",
    "serverBuildInfo",
    "serverCmdLineOpts",
    "serverStatus",
    "setLogLevel",
    "setProfilingLevel",
    "setSecondaryOk",
    "shutdownServer",
    "sql",
    "stats",
    "toString",
    "updateRole",
    "updateUser",
    "valueOf",
    "version",
    "watch",
];

/// Renders a command, given as Extended JSON, in one line. What is none is given back as it is.
#[must_use]
pub fn shell(text: &str) -> String {
    let Some(Tree::Object(fields)) = Tree::read(text) else {
        return text.to_owned();
    };
    method(&fields).unwrap_or_else(|| {
        let mut out = "db.runCommand(".to_owned();
        value::object(&fields, &mut out);
        out.push(')');
        out
    })
}

/// The command as a method of mongosh, if all of it can be said so.
fn method(fields: &Fields) -> Option<String> {
    let ((name, target), options) = fields.split_first()?;
    if name == "dropDatabase" && options.is_empty() {
        return Some("db.dropDatabase()".to_owned());
    }
    let target = target.as_str()?;
    match name.as_str() {
        "create" => Some(create(target, options)),
        "createIndexes" => create_indexes(target, only(options, "indexes")?),
        "createSearchIndexes" => {
            let indexes = only(options, "indexes")?;
            Some(call(target, "createSearchIndexes", &[indexes]))
        }
        "updateSearchIndex" => match options {
            [(first, Tree::String(index)), (second, definition)]
                if first == "name" && second == "definition" =>
            {
                let index = Tree::String(index.clone());
                Some(call(target, "updateSearchIndex", &[&index, definition]))
            }
            _ => None,
        },
        "dropSearchIndex" => {
            let index = only(options, "name")?;
            Some(call(target, "dropSearchIndex", &[index]))
        }
        "dropIndexes" | "deleteIndexes" => Some(drop_indexes(target, only(options, "index")?)),
        "drop" if options.is_empty() => Some(call(target, "drop", &[])),
        "renameCollection" => rename(target, options),
        "convertToCapped" => Some(call(target, name, &[only(options, "size")?])),
        _ => None,
    }
}

fn create(name: &str, options: &[(String, Tree)]) -> String {
    let mut out = String::new();
    let of = |key: &str| options.iter().find(|(k, _)| k == key).map(|(_, v)| v);
    let is_view = |key: &str| matches!(key, "viewOn" | "pipeline" | "collation");
    match of("viewOn") {
        Some(on @ Tree::String(_)) if options.iter().all(|(key, _)| is_view(key)) => {
            out.push_str("db.createView(");
            quoted(name, &mut out);
            out.push_str(", ");
            on.write(&mut out);
            out.push_str(", ");
            of("pipeline")
                .unwrap_or(&Tree::Array(Vec::new()))
                .write(&mut out);
            if let Some(collation) = of("collation") {
                out.push_str(", {collation: ");
                collation.write(&mut out);
                out.push('}');
            }
        }
        _ => {
            out.push_str("db.createCollection(");
            quoted(name, &mut out);
            if !options.is_empty() {
                out.push_str(", ");
                value::object(options, &mut out);
            }
        }
    }
    out.push(')');
    out
}

/// One method for all indexes if they have the same options, else one for each.
fn create_indexes(collection: &str, indexes: &Tree) -> Option<String> {
    let Tree::Array(indexes) = indexes else {
        return None;
    };
    let split: Option<Vec<_>> = indexes.iter().map(index).collect();
    let split = split.filter(|split| !split.is_empty())?;
    let (_, first) = split.first()?;
    if split.len() > 1 && split.iter().all(|(_, options)| options == first) {
        let keys = Tree::Array(split.iter().map(|(key, _)| (*key).clone()).collect());
        return Some(with_options(collection, "createIndexes", &keys, first));
    }
    let calls = split
        .iter()
        .map(|(key, options)| with_options(collection, "createIndex", key, options));
    Some(calls.collect::<Vec<_>>().join("; "))
}

fn with_options(collection: &str, method: &str, keys: &Tree, options: &Fields) -> String {
    let options = Tree::Object(options.clone());
    match &options {
        Tree::Object(fields) if fields.is_empty() => call(collection, method, &[keys]),
        _ => call(collection, method, &[keys, &options]),
    }
}

/// Key and options of an index, without what the shell says by itself: the name that is made of the
/// key, and the version that all have.
fn index(index: &Tree) -> Option<(&Tree, Fields)> {
    let Tree::Object(fields) = index else {
        return None;
    };
    let (_, key) = fields.iter().find(|(name, _)| name == "key")?;
    let usual = usual_name(key)?;
    let options = fields.iter().filter(|(name, value)| match name.as_str() {
        "key" => false,
        "name" => value.as_str() != Some(&usual),
        "v" => value.as_whole() != Some(2),
        _ => true,
    });
    Some((key, options.cloned().collect()))
}

/// `email_1_at_-1`: as drivers and shells make it.
fn usual_name(key: &Tree) -> Option<String> {
    let Tree::Object(fields) = key else {
        return None;
    };
    let parts = fields.iter().map(|(field, order)| {
        let order = match (order.as_str(), order.as_whole()) {
            (Some(text), _) => text.to_owned(),
            (None, Some(number)) => number.to_string(),
            (None, None) => return None,
        };
        Some(format!("{field}_{order}"))
    });
    Some(parts.collect::<Option<Vec<_>>>()?.join("_"))
}

fn drop_indexes(collection: &str, which: &Tree) -> String {
    match which {
        Tree::String(all) if all == "*" => call(collection, "dropIndexes", &[]),
        Tree::Array(_) => call(collection, "dropIndexes", &[which]),
        _ => call(collection, "dropIndex", &[which]),
    }
}

/// The names have their database before them, the same one.
fn rename(from: &str, options: &[(String, Tree)]) -> Option<String> {
    let ((key, to), behind) = options.split_first()?;
    let to = to.as_str().filter(|_| key == "to")?;
    let (from, to) = match (from.split_once('.'), to.split_once('.')) {
        (Some((db, from)), Some((same, to))) if db == same => (from, to),
        (None, None) => (from, to),
        _ => return None,
    };
    let to = Tree::String(to.to_owned());
    match behind {
        [] => Some(call(from, "renameCollection", &[&to])),
        [(key, drop @ Tree::Bool(_))] if key == "dropTarget" => {
            Some(call(from, "renameCollection", &[&to, drop]))
        }
        _ => None,
    }
}

/// The value of a field that is the only one.
fn only<'f>(fields: &'f [(String, Tree)], key: &str) -> Option<&'f Tree> {
    match fields {
        [(name, value)] if name == key => Some(value),
        _ => None,
    }
}

fn call(collection: &str, method: &str, arguments: &[&Tree]) -> String {
    let mut out = "db.".to_owned();
    if is_identifier(collection)
        && !collection.starts_with(['_', '$'])
        && !OF_DB.contains(&collection)
    {
        out.push_str(collection);
    } else {
        out.push_str("getCollection(");
        quoted(collection, &mut out);
        out.push(')');
    }
    out.push('.');
    out.push_str(method);
    out.push('(');
    for (place, argument) in arguments.iter().enumerate() {
        if place > 0 {
            out.push_str(", ");
        }
        argument.write(&mut out);
    }
    out.push(')');
    out
}

#[cfg(test)]
mod tests;
