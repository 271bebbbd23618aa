//! Requests to Redis: no key and no channel that is forwarded leaves without its prefix, what an
//! argument is does not hang on what follows it, and without the prefix again it is the same.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::redis::command::{Rules, Verdict, decide};
use tenantsdb_codecs::redis::keys::{Classifier, Kind};
use tenantsdb_codecs::redis::table::Table;
use tenantsdb_codecs::redis::{glob, prefix};

const PREFIX: &[u8] = b"acme:";

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let reply = include_bytes!("../../codecs/testdata/redis/command/redis-8.2.resp2");
    Table::read(reply).expect("it was recorded")
});

fuzz_target!(|data: &[u8]| {
    let _ = Table::read(data);
    // Arguments with blanks between them; names of options are in the corpus.
    let args: Vec<&[u8]> = data.split(|byte| *byte == b' ').collect();
    let [name, rest @ ..] = args.as_slice() else {
        return;
    };
    let sub = rest.first().copied();
    match decide(&TABLE, &Rules::default(), name, sub, args.len()) {
        Verdict::Refuse(refusal) => assert!(!refusal.text(&args).contains(['\r', '\n'])),
        Verdict::Local(_) => {}
        Verdict::Forward(forward) => {
            let mut classifier = Classifier::new(&forward, args.len()).expect("it is forwarded");
            let mut kinds = Vec::new();
            for arg in &args {
                match classifier.next(Some(arg)) {
                    Ok(kind) => kinds.push(kind),
                    Err(refusal) => return assert!(!refusal.text(&args).contains(['\r', '\n'])),
                }
            }
            if classifier.finish().is_err() {
                return;
            }
            let has_names = !forward.command.specs.is_empty() || kinds.contains(&Kind::Channel);
            let none = kinds.iter().all(|kind| *kind == Kind::Plain);
            // Only a script goes without the keys it may have, or what is asked about none: modules
            // take any number of arguments, and count them themselves.
            let may_have_none = forward.command.has_flag("movablekeys") || args.len() == 1;
            assert!(!has_names || !none || may_have_none);
            for (arg, kind) in args.iter().zip(kinds) {
                there_and_back(arg, kind);
            }
        }
    }
});

fn there_and_back(arg: &[u8], kind: Kind) {
    match kind {
        Kind::Plain => {}
        Kind::Key => {
            let key = [PREFIX, arg].concat();
            assert_eq!(prefix::strip(PREFIX, &key), Some(arg));
        }
        Kind::Channel => {
            let mut channel = Vec::new();
            if prefix::channel_in(PREFIX, arg, &mut channel).is_ok() {
                let (head, tail) = prefix::channel_out(PREFIX, &channel).expect("it is ours");
                assert_eq!([head, tail].concat(), arg);
            }
            let is_matched = glob::matches(arg, b"__keyspace@0__:k");
            if is_matched {
                assert_eq!(prefix::reaches_keyspace(arg), Ok(true));
            }
        }
    }
}
