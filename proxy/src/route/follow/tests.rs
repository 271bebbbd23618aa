use std::collections::BTreeMap;

use proptest::prelude::*;
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::feed::stream::{DropRoute, Lines, Mark};

use super::super::entry::tests::wire_route;
use super::*;

fn snapshot(epoch: &str, rev: u64, routes: u64) -> Line {
    Line::Snapshot(Snapshot {
        epoch: epoch.to_owned(),
        rev,
        routes,
        authoritative: false,
    })
}

fn put(rev: u64, tenant: &str, generation: u64) -> Line {
    Line::Put(Put {
        rev,
        route: wire_route(tenant, generation),
    })
}

fn bad_put(rev: u64, tenant: &str) -> Line {
    let mut route = wire_route(tenant, 99);
    route.logins[0].verifier = "md5".to_owned();
    Line::Put(Put { rev, route })
}

fn dropped(rev: u64, tenant: &str) -> Line {
    Line::Drop(DropRoute {
        rev,
        engine: Engine::Postgres,
        database: format!("app__{tenant}"),
    })
}

fn end(rev: u64) -> Line {
    Line::End(Mark { rev })
}

/// Database and generation of all routes.
fn shown(routes: &Routes) -> BTreeMap<String, u64> {
    let shown = |route: Arc<Route>| (route.database.to_string(), route.logins[0].generation);
    routes.all().map(shown).collect()
}

/// A follower and its table after these lines.
fn after(lines: Vec<Line>) -> (Follower, Routes) {
    let (mut follower, routes) = (Follower::default(), Routes::default());
    for line in lines {
        follower.take(line, &routes).unwrap();
    }
    (follower, routes)
}

#[test]
fn a_snapshot_is_in_force_at_its_end_and_not_before() {
    let (mut follower, routes) = after(vec![snapshot("e", 7, 2), put(3, "a", 1), put(7, "b", 1)]);
    assert!(routes.is_empty() && follower.position().is_none());
    assert_eq!(follower.take(end(7), &routes), Ok(Step::Advanced));
    assert_eq!(shown(&routes).len(), 2);
    let position = follower.position().unwrap();
    assert_eq!((position.epoch.as_str(), position.rev), ("e", 7));
}

#[test]
fn a_snapshot_that_is_not_what_it_announced_changes_nothing() {
    for lines in [
        vec![snapshot("f", 9, 2), put(9, "b", 1), end(9)],
        vec![snapshot("f", 9, 0), put(9, "b", 1), end(9)],
        vec![snapshot("f", 9, 1), put(9, "b", 1), end(8)],
    ] {
        let (mut follower, routes) = after(vec![snapshot("e", 1, 1), put(1, "a", 1), end(1)]);
        let last = lines
            .into_iter()
            .map(|line| follower.take(line, &routes))
            .last();
        assert_eq!(last, Some(Err(FollowError::Incomplete)));
        assert_eq!(follower.position().map(|position| position.rev), Some(1));
        assert!(shown(&routes).contains_key("app__a"));
    }
}

#[test]
fn a_full_table_is_emptied_only_by_authority() {
    let (mut follower, routes) = after(vec![snapshot("e", 1, 1), put(1, "a", 1), end(1)]);
    follower.take(snapshot("f", 0, 0), &routes).unwrap();
    assert_eq!(follower.take(end(0), &routes), Err(FollowError::WouldEmpty));
    assert_eq!(routes.len(), 1);
    assert_eq!(
        follower.position().map(|position| position.epoch.as_str()),
        Some("e")
    );

    let Line::Snapshot(mut head) = snapshot("f", 0, 0) else {
        unreachable!()
    };
    head.authoritative = true;
    follower.take(Line::Snapshot(head), &routes).unwrap();
    assert_eq!(follower.take(end(0), &routes), Ok(Step::Advanced));
    assert!(routes.is_empty());
}

#[test]
fn an_empty_table_takes_an_empty_snapshot() {
    let (follower, _) = after(vec![snapshot("e", 0, 0), end(0)]);
    assert_eq!(follower.position().map(|position| position.rev), Some(0));
}

#[test]
fn a_route_that_cannot_be_used_is_reported_and_its_last_good_value_stays() {
    let (mut follower, routes) = after(vec![snapshot("e", 1, 1), put(1, "a", 1), end(1)]);
    assert_eq!(follower.take(bad_put(2, "a"), &routes), Ok(Step::Advanced));
    assert_eq!(shown(&routes)["app__a"], 1);
    assert_eq!(follower.position().map(|position| position.rev), Some(2));
    let nacks = follower.take_nacks();
    assert_eq!(
        (nacks.len(), nacks[0].rev, nacks[0].database.as_str()),
        (1, 2, "app__a")
    );
    assert!(!nacks[0].reason.contains("md5"), "{}", nacks[0].reason);
    assert!(follower.take_nacks().is_empty());

    // The same inside a snapshot, where it counts as one of those announced.
    for line in [snapshot("e", 3, 2), bad_put(3, "a"), put(3, "b", 1), end(3)] {
        follower.take(line, &routes).unwrap();
    }
    assert_eq!((shown(&routes)["app__a"], routes.len()), (1, 2));
}

#[test]
fn what_was_taken_in_before_is_not_taken_again() {
    let (mut follower, routes) = after(vec![snapshot("e", 5, 1), put(5, "a", 5), end(5)]);
    assert_eq!(follower.take(put(4, "a", 4), &routes), Ok(Step::Advanced));
    assert_eq!(follower.take(dropped(5, "a"), &routes), Ok(Step::Advanced));
    assert_eq!(shown(&routes)["app__a"], 5);
}

#[test]
fn lines_out_of_place_are_refused() {
    let refused = |before: Vec<Line>, line: Line| {
        let (mut follower, routes) = after(before);
        follower.take(line, &routes).unwrap_err()
    };
    assert_eq!(refused(vec![], put(1, "a", 1)), FollowError::NoSnapshot);
    assert_eq!(
        refused(vec![], Line::Mark(Mark { rev: 1 })),
        FollowError::NoSnapshot
    );
    assert_eq!(refused(vec![], end(1)), FollowError::NotBuilding);
    assert_eq!(
        refused(vec![snapshot("e", 1, 1)], dropped(1, "a")),
        FollowError::InsideSnapshot
    );
    assert_eq!(
        refused(
            vec![snapshot("e", 2, 0), end(2)],
            Line::Mark(Mark { rev: 1 })
        ),
        FollowError::WentBack
    );
}

#[test]
fn after_going_back_a_snapshot_is_asked_for() {
    let (mut follower, routes) = after(vec![snapshot("e", 2, 1), put(2, "a", 1), end(2)]);
    let _ = follower.take(Line::Mark(Mark { rev: 1 }), &routes);
    assert_eq!(follower.position(), None);
    assert_eq!(routes.len(), 1, "routes in force stay");
}

/// One change of a model of control; its revision is its place, from 1.
#[derive(Clone, Debug)]
enum Change {
    Put(u8),
    Drop(u8),
}

const TENANTS: [&str; 5] = ["a", "b", "c", "d", "e"];

fn state(changes: &[Change], rev: u64) -> BTreeMap<&'static str, u64> {
    let mut state = BTreeMap::new();
    for (change, rev) in changes.iter().zip(1..=rev) {
        match *change {
            Change::Put(tenant) => state.insert(TENANTS[usize::from(tenant)], rev),
            Change::Drop(tenant) => state.remove(TENANTS[usize::from(tenant)]),
        };
    }
    state
}

/// What control sends to a proxy at `position`, when it keeps no changes up to `floor`.
fn sent(changes: &[Change], position: Option<&Position>, floor: u64) -> Vec<Line> {
    let mut lines = Vec::new();
    let known = position.filter(|position| position.epoch == "e" && position.rev >= floor);
    let from = known.map_or(floor, |position| position.rev);
    if known.is_none() {
        let state = state(changes, floor);
        let Line::Snapshot(mut head) = snapshot("e", floor, state.len() as u64) else {
            unreachable!()
        };
        head.authoritative = true;
        lines.push(Line::Snapshot(head));
        lines.extend(state.into_iter().map(|(tenant, rev)| put(rev, tenant, rev)));
        lines.push(end(floor));
    }
    for (change, rev) in changes.iter().zip(1..) {
        if rev > from {
            lines.push(match *change {
                Change::Put(tenant) => put(rev, TENANTS[usize::from(tenant)], rev),
                Change::Drop(tenant) => dropped(rev, TENANTS[usize::from(tenant)]),
            });
            lines.push(Line::Mark(Mark { rev }));
        }
    }
    lines
}

fn any_changes() -> impl Strategy<Value = Vec<Change>> {
    let tenant = || 0..5_u8;
    let change =
        prop_oneof![3 => tenant().prop_map(Change::Put), 1 => tenant().prop_map(Change::Drop)];
    prop::collection::vec(change, 1..30)
}

/// A connection: how many changes control has forgotten, after how many bytes it breaks, and how
/// many bytes come at once.
fn any_connection() -> impl Strategy<Value = (prop::sample::Index, prop::sample::Index, usize)> {
    (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        1..2000_usize,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Wherever streams are split and broken, what is in force is control's state at the position,
    /// and in the end control's state.
    #[test]
    fn any_breaks_lead_to_the_same_table(
        changes in any_changes(),
        connections in prop::collection::vec(any_connection(), 0..5),
    ) {
        let (mut follower, routes) = (Follower::default(), Routes::default());
        let last = (None, None, 1000);
        let breaking = connections
            .into_iter()
            .map(|(floor, cut, chunk)| (Some(floor), Some(cut), chunk));
        for (floor, cut, chunk) in breaking.chain([last]) {
            let floor = floor.map_or(0, |floor| floor.index(changes.len() + 1)) as u64;
            let mut bytes = Vec::new();
            for line in sent(&changes, follower.position(), floor) {
                line.encode(&mut bytes).unwrap();
            }
            bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len() + 1)));
            let mut lines = Lines::default();
            for chunk in bytes.chunks(chunk) {
                let pushed = lines.push(chunk, |line| {
                    follower.take(line, &routes).map(drop).map_err(Failed::Follow)
                });
                prop_assert!(pushed.is_ok(), "{pushed:?}");
                let rev = follower.position().map_or(0, |position| position.rev);
                let expected: BTreeMap<String, u64> = state(&changes, rev)
                    .into_iter()
                    .map(|(tenant, rev)| (format!("app__{tenant}"), rev))
                    .collect();
                prop_assert_eq!(shown(&routes), expected);
            }
            follower.disconnected();
        }
        let rev = follower.position().map(|position| position.rev);
        prop_assert_eq!(rev, Some(changes.len() as u64));
    }
}

#[derive(Debug)]
enum Failed {
    Follow(#[expect(dead_code, reason = "shown when the test fails")] FollowError),
    Line(#[expect(dead_code, reason = "shown when the test fails")] String),
}

impl From<tenantsdb_codecs::feed::stream::LineError> for Failed {
    fn from(error: tenantsdb_codecs::feed::stream::LineError) -> Self {
        Self::Line(error.to_string())
    }
}
