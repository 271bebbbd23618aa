use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::redis::command::{Rules, Verdict, decide};
use crate::redis::table::Table;

const SERVERS: [&str; 4] = ["redis-7.0", "redis-8.2", "valkey-8.0", "valkey-9.1"];

fn testdata(file: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/redis/command");
    std::fs::read(folder.join(file)).unwrap()
}

fn table(server: &str) -> Table {
    Table::read(&testdata(&format!("{server}.resp2"))).unwrap()
}

/// What each argument of a request is that is forwarded.
fn classify(table: &Table, args: &[&[u8]]) -> Option<Result<Vec<Kind>, Refusal>> {
    let sub = args.get(1).copied();
    let Verdict::Forward(forward) = decide(table, &Rules::default(), args[0], sub, args.len())
    else {
        return None;
    };
    let kinds = || {
        let mut classifier = Classifier::new(&forward, args.len())?;
        let kinds = args.iter().map(|arg| classifier.next(Some(arg)));
        let kinds = kinds.collect::<Result<Vec<Kind>, Refusal>>()?;
        classifier.finish()?;
        Ok(kinds)
    };
    Some(kinds())
}

/// Letters for the arguments: `.` plain, `k` key, `c` channel.
fn letters(table: &Table, request: &str) -> Result<String, Refusal> {
    let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
    let kinds = classify(table, &args).expect("it is forwarded")?;
    let letter = |kind: &Kind| match kind {
        Kind::Plain => '.',
        Kind::Key => 'k',
        Kind::Channel => 'c',
    };
    Ok(kinds.iter().map(letter).collect())
}

/// What `COMMAND GETKEYS` finds, the recorded requests being made by a script: one for each command
/// with keys and number of arguments, and options in any order.
#[test]
fn every_key_that_a_server_finds_is_found() {
    for server in SERVERS {
        let table = table(server);
        let recorded = String::from_utf8(testdata(&format!("getkeys-{server}.txt"))).unwrap();
        let (mut checked, mut wrong) = (0, Vec::new());
        for line in recorded.lines() {
            let (request, expected) = line.split_once('\t').unwrap();
            let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            let Some(Ok(kinds)) = classify(&table, &args) else {
                continue;
            };
            checked += 1;
            let keys = args
                .iter()
                .zip(&kinds)
                .filter(|(_, kind)| **kind == Kind::Key);
            let mut keys: Vec<&str> = keys.map(|(a, _)| str::from_utf8(a).unwrap()).collect();
            let mut expected: Vec<&str> = expected.split_whitespace().collect();
            keys.sort_unstable();
            expected.sort_unstable();
            // With STORE twice the second counts. COMMAND GETKEYS tells one only, and takes the
            // value of an option for the word.
            let is_stored_twice = request.to_ascii_lowercase().matches(" store").count() > 1;
            if keys != expected && !is_stored_twice {
                wrong.push(format!("{line}: {keys:?}"));
            }
        }
        assert!(checked > 700, "{server}: {checked}");
        assert!(wrong.is_empty(), "{server}: {wrong:#?}");
    }
}

#[test]
fn options_are_read_as_the_server_reads_them() {
    let table = table("redis-7.0");
    for (request, expected) in [
        ("get k", ".k"),
        ("mset a 1 b 2", ".k.k."),
        ("blpop a b 0", ".kk."),
        ("bitop AND d a b", "..kkk"),
        ("xgroup create k g 0", "..k.."),
        ("object encoding k", "..k"),
        ("eval body 2 a b c", "...kk."),
        ("evalsha sha 0 a", "...."),
        ("zunionstore d 2 a b weights 1 2", ".k.kk..."),
        ("blmpop 0 2 a b left", "...kk."),
        ("lcs a b IDX", ".kk."),
        ("sort k by nosort get # store d", ".k.....k"),
        ("sort by limit get store store store", ".k....k"),
        ("sort k STORE\0x d", ".k.k"),
        ("sort_ro k limit store by alpha", ".k...."),
        ("georadius k 1 2 3 m count store asc", ".k......."),
        ("xread count 1 streams a b 0 0", "....kk.."),
        ("xreadgroup group streams streams streams a >", ".....k."),
        ("copy a b db 0 replace", ".kk..."),
        ("publish c text", ".c."),
        ("spublish c text", ".c."),
        ("ping text", ".."),
    ] {
        let letters = letters(&table, request);
        assert_eq!(letters.as_deref(), Ok(expected), "{request}");
    }
}

#[test]
fn what_reaches_further_or_cannot_be_known_is_refused() {
    let table = table("redis-7.0");
    for (request, expected) in [
        (
            "sort k by w_*",
            "NOPERM the 'sort' command: BY with a pattern",
        ),
        (
            "sort k get a",
            "NOPERM the 'sort' command: GET with a pattern",
        ),
        (
            "sort_ro k get w_*->f",
            "NOPERM the 'sort_ro' command: GET with a pattern",
        ),
        ("sort_ro k store d", "ERR syntax error"),
        ("sort k store", "ERR syntax error"),
        ("sort k limit 0", "ERR syntax error"),
        (
            "copy a b db 1",
            "NOPERM the 'copy' command: a database has the number 0",
        ),
        ("georadius k 1 2 3 m somehow store d", "ERR syntax error"),
        (
            "georadius k 1 2 3 m store d",
            "NOPERM the 'georadius' command: STORE is not held",
        ),
        (
            "georadiusbymember k m 3 m count 1 STOREDIST d",
            "NOPERM the 'georadiusbymember' command: STORE is not held",
        ),
        ("xread group g c streams a 0", "ERR syntax error"),
        ("xread count 1 block 1", "ERR syntax error"),
        ("eval body 2 a", "ERR Number of keys can't be greater"),
        ("eval body +1 a", "ERR value is not an integer"),
        ("eval body 01 a", "ERR value is not an integer"),
        (
            "eval body 9223372036854775807 a",
            "ERR Number of keys can't be greater",
        ),
        ("zunion 3 a b", "ERR syntax error"),
    ] {
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let text = letters(&table, request).unwrap_err().text(&args);
        assert!(text.starts_with(expected), "{request}: {text}");
    }
}

#[test]
fn a_long_argument_is_a_value_or_a_name_and_nothing_else() {
    let table = table("redis-7.0");
    let feed = |name: &[u8], argc, args: &[Option<&[u8]>]| {
        let Verdict::Forward(forward) = decide(&table, &Rules::default(), name, None, argc) else {
            panic!("it is forwarded");
        };
        let mut classifier = Classifier::new(&forward, argc).unwrap();
        args.iter().map(|arg| classifier.next(*arg)).last()
    };
    assert_eq!(feed(b"set", 3, &[Some(b"set"), None]), Some(Ok(Kind::Key)));
    assert_eq!(
        feed(b"set", 3, &[Some(b"set"), None, None]),
        Some(Ok(Kind::Plain))
    );
    let refused = Some(Err(Refusal::NotAnInteger));
    assert_eq!(feed(b"eval", 4, &[Some(b"eval"), None, None]), refused);
    let refused = Some(Err(Refusal::Syntax));
    assert_eq!(feed(b"sort", 4, &[Some(b"sort"), None, None]), refused);
}

#[test]
fn reading_streams_waits_only_when_it_says_so() {
    let table = table("redis-7.0");
    for (request, expected) in [
        ("xread block 0 streams a 0", true),
        ("xread count 1 streams block 0", false),
        ("blpop a 0", true),
        ("get a", false),
    ] {
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let Verdict::Forward(forward) =
            decide(&table, &Rules::default(), args[0], None, args.len())
        else {
            panic!("it is forwarded");
        };
        let mut classifier = Classifier::new(&forward, args.len()).unwrap();
        for arg in args {
            classifier.next(Some(arg)).unwrap();
        }
        assert_eq!(classifier.blocks(), expected, "{request}");
    }
}

proptest! {
    #[test]
    fn what_an_argument_is_does_not_hang_on_itself_or_on_what_follows(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "get", "store", "streams", "limit", "by", "count", "group", "block", "db", "0",
                "1", "2", "3", "a", "#",
            ]),
            1..10,
        ),
        command in 0_usize..400,
        cut in 1_usize..10,
    ) {
        let table = table("redis-8.2");
        let mut names: Vec<&str> = table.iter().map(|command| &*command.name).collect();
        names.sort_unstable();
        let mut args = vec![names[command % names.len()].as_bytes()];
        args.extend(words.iter().map(|word| word.as_bytes()));
        let Some(Ok(kinds)) = classify(&table, &args) else {
            return Ok(());
        };
        let cut = cut.min(args.len() - 1);
        let sub = args.get(1).copied();
        let Verdict::Forward(forward) = decide(&table, &Rules::default(), args[0], sub, args.len())
        else {
            unreachable!();
        };
        let mut classifier = Classifier::new(&forward, args.len()).unwrap();
        for arg in &args[..cut] {
            classifier.next(Some(arg)).unwrap();
        }
        // Another argument in its place is the same kind, or is refused.
        for other in [Some(&b"other"[..]), Some(b"1"), None] {
            let mut classifier = Classifier::new(&forward, args.len()).unwrap();
            for arg in &args[..cut] {
                classifier.next(Some(arg)).unwrap();
            }
            if let Ok(kind) = classifier.next(other) {
                prop_assert_eq!(kind, kinds[cut]);
            }
        }
    }
}
