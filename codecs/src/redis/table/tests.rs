use super::*;

const RESP2: &[u8] = include_bytes!("../../../testdata/redis/command/redis-7.0.resp2");
const RESP3: &[u8] = include_bytes!("../../../testdata/redis/command/redis-7.0.resp3");

#[test]
fn both_protocols_say_the_same() {
    let [two, three] = [RESP2, RESP3].map(|reply| Table::read(reply).unwrap());
    assert_eq!(two.iter().count(), 240);
    for command in two.iter().flat_map(|of| of.subcommands().chain([of])) {
        let other = match command.name.split_once('|') {
            Some((name, sub)) => three
                .get(name.as_bytes())
                .unwrap()
                .subcommand(sub.as_bytes()),
            None => three.get(command.name.as_bytes()),
        };
        let other = other.unwrap();
        assert_eq!((command.arity, command.range), (other.arity, other.range));
        assert_eq!(command.specs, other.specs);
        assert_eq!(command.flags.len(), other.flags.len());
        assert_eq!(command.categories.len(), other.categories.len());
    }
}

#[test]
fn names_are_found_in_any_case() {
    let table = Table::read(RESP2).unwrap();
    assert_eq!(&*table.get(b"GeT").unwrap().name, "get");
    let group = table.get(b"XGROUP").unwrap();
    assert_eq!(&*group.subcommand(b"Create").unwrap().name, "xgroup|create");
    assert!(table.get(&[b'a'; 65]).is_none());
    assert!(table.get(b"get\0").is_none() && table.get(b"").is_none());
}

#[test]
fn specifications_are_read() {
    let table = Table::read(RESP2).unwrap();
    let spec = &table.get(b"xread").unwrap().specs[0];
    assert_eq!(spec.begin, Begin::Keyword("STREAMS".into(), 1));
    let (last, step, limit) = (-1, 1, 2);
    assert_eq!(spec.find, Find::Range { last, step, limit });
    assert!(table.get(b"sort").unwrap().specs[1].begin == Begin::Unknown);
}

#[test]
fn what_is_not_whole_or_something_else_is_refused() {
    assert!(Table::read(&RESP2[..RESP2.len() - 1]).is_err());
    for other in [
        &b"+OK\r\n"[..],
        b"*1\r\n:1\r\n",
        b"*1\r\n*1\r\n$3\r\nget\r\n",
        b"-ERR\r\n",
    ] {
        assert!(Table::read(other).is_err());
    }
}
