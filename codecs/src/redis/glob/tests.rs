use proptest::prelude::*;

use super::*;

/// What the server does, step by step, without a bound on its work.
fn reference(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            reference(rest, name) || !name.is_empty() && reference(pattern, &name[1..])
        }
        (_, []) => false,
        (_, [byte, behind @ ..]) => {
            one(pattern, *byte, &mut { u64::MAX }).is_some_and(|rest| reference(rest, behind))
        }
    }
}

/// `KEYS` of Redis 7.0 was asked about each line: a pattern, a name, whether they match.
#[test]
fn the_server_matches_the_same() {
    let recorded = include_str!("../../../testdata/redis/glob.txt");
    for line in recorded.lines() {
        let mut fields = line.split('\t');
        let (pattern, name) = (fields.next().unwrap(), fields.next().unwrap());
        let expected = fields.next() == Some("1");
        // Both with a letter before them, as they were asked about.
        let [pattern, name] = [pattern, name].map(|text| format!("g{text}"));
        assert_eq!(
            matches(pattern.as_bytes(), name.as_bytes()),
            expected,
            "{line}"
        );
    }
}

#[test]
fn patterns_mean_what_the_server_says() {
    for (pattern, name, expected) in [
        ("", "", true),
        ("*", "", false),
        ("*", "a", true),
        ("a*", "a", true),
        ("h[^e]llo", "hello", false),
        ("h[^e]llo", "hallo", true),
        ("h[a-b]llo", "hbllo", true),
        ("h[b-a]llo", "hallo", true),
        (r"\*", "*", true),
        (r"\*", "a", false),
        (r"a\", r"a\", true),
        ("[abc", "c", true),
        ("[abc", "d", false),
        ("news.*.tech", "news.a.b.tech", true),
    ] {
        let found = matches(pattern.as_bytes(), name.as_bytes());
        assert_eq!(found, expected, "{pattern} {name}");
    }
    assert!(matches(b"[a-\xff]", b"\xff") && matches(b"[a-\xff]", b"a"));
}

#[test]
fn a_pattern_of_stars_does_not_take_for_ever() {
    let pattern = b"a*".repeat(2_000);
    let mut name = b"a".repeat(10_000);
    name.push(b'b');
    assert!(matches(&pattern, &name));
    let pattern = [&b"*a".repeat(1_000)[..], b"c"].concat();
    assert!(!matches(&pattern, &name));
}

#[test]
fn work_is_counted_and_ends_with_the_budget() {
    let name = b"a".repeat(1_000);
    let classes = [&b"*"[..], &b"[b-c]".repeat(200)].concat();
    for pattern in [
        b"*a".repeat(500).as_slice(),
        b"*a*a*a*b",
        &classes,
        b"*[bcdefgh]",
    ] {
        let mut steps = u64::MAX;
        let expected = matches(pattern, &name);
        assert_eq!(matches_within(pattern, &name, &mut steps), Some(expected));
        let taken = u64::MAX - steps;
        assert!(taken > 900, "{taken}");
        assert_eq!(matches_within(pattern, &name, &mut (taken - 1)), None);
        let mut steps = taken;
        assert_eq!(matches_within(pattern, &name, &mut steps), Some(expected));
        assert_eq!(steps, 0);
        assert_eq!(matches_within(pattern, &name, &mut steps), None);
    }
    // Ordinary ones take about as many as they have bytes that fit.
    let mut steps = 20;
    assert_eq!(
        matches_within(b"news.*", b"weather", &mut steps),
        Some(false)
    );
    assert_eq!(matches_within(b"news.*", b"news.a", &mut steps), Some(true));
    assert!(steps > 5, "{steps}");
}

proptest! {
    #[test]
    fn the_fast_way_and_the_plain_one_agree(
        pattern in r"[ab*?\[\]^\\-]{0,9}",
        name in r"[ab\[\]^-]{1,7}",
    ) {
        let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
        prop_assert_eq!(matches(pattern, name), reference(pattern, name));
    }
}
