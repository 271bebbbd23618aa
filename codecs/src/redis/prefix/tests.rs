use proptest::prelude::*;

use super::*;
use crate::redis::glob;

fn channel(prefix: &str, channel: &str) -> String {
    let mut out = Vec::new();
    channel_in(prefix.as_bytes(), channel.as_bytes(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn notifications_keep_their_head() {
    assert_eq!(channel("acme:", "news"), "acme:news");
    assert_eq!(
        channel("acme:", "__keyspace@0__:user:1"),
        "__keyspace@0__:acme:user:1"
    );
    assert_eq!(
        channel("acme:", "__keyspace@1__:user:1"),
        "acme:__keyspace@1__:user:1"
    );
    let foreign: [&[u8]; 3] = [
        b"globex:news",
        b"__keyspace@0__:globex:k",
        b"__keyevent@0__:del",
    ];
    for foreign in foreign {
        assert_eq!(channel_out(b"acme:", foreign), None);
    }
}

#[test]
fn events_of_the_whole_server_are_refused() {
    assert!(channel_place(b"__keyevent@0__:expired").is_err());
    assert!(reaches_keyspace(b"__keyevent@*__:*").is_err());
    assert!(reaches_keyspace(br"__keyevent\@0__:del").is_err());
}

#[test]
fn patterns_that_may_match_notifications_are_known() {
    for (pattern, expected) in [
        ("*", true),
        ("__key*__:*", true),
        ("__keyspace@0__:user:*", true),
        ("__keyspace@?__:*", true),
        (r"__keyspac\e@0__:*", true),
        ("[_]*", true),
        ("news.*", false),
        ("__keyspace@1__:*", false),
        ("__keyspace", false),
    ] {
        assert_eq!(
            reaches_keyspace(pattern.as_bytes()),
            Ok(expected),
            "{pattern}"
        );
    }
}

proptest! {
    #[test]
    fn with_the_prefix_and_without_it_again_is_the_same(
        prefix in "[a-z0-9_]{1,9}:",
        channel in r"(__keyspace@0__:|__keyspace@|__key)?[a-z:@_]{0,9}",
    ) {
        let (prefix, channel) = (prefix.as_bytes(), channel.as_bytes());
        let mut server = Vec::new();
        channel_in(prefix, channel, &mut server).unwrap();
        let (head, tail) = channel_out(prefix, &server).unwrap();
        prop_assert_eq!([head, tail].concat(), channel);
        let is_allowed = server.starts_with(prefix)
            || server.starts_with(&[KEYSPACE, prefix].concat());
        prop_assert!(is_allowed, "the access list would not have it");
    }

    #[test]
    fn patterns_match_behind_the_prefix_what_they_match_alone(
        prefix in "[a-z0-9_*?]{1,5}:",
        pattern in r"[ab*?\[\]^\\-]{0,7}",
        name in "[ab]{1,5}",
    ) {
        let mut server = Vec::new();
        pattern_in(prefix.as_bytes(), pattern.as_bytes(), &mut server);
        let key = [prefix.as_bytes(), name.as_bytes()].concat();
        let alone = glob::matches(pattern.as_bytes(), name.as_bytes());
        prop_assert_eq!(glob::matches(&server, &key), alone);
        prop_assert!(!glob::matches(&server, &[b"other:", name.as_bytes()].concat()));
    }

    #[test]
    fn no_notification_is_missed(
        pattern in r"[_keyspac@0*?:\[\]\\]{0,12}",
        key in "[a:]{0,3}",
    ) {
        let channel = [KEYSPACE, key.as_bytes()].concat();
        if glob::matches(pattern.as_bytes(), &channel) {
            prop_assert_eq!(reaches_keyspace(pattern.as_bytes()), Ok(true));
        }
    }
}
