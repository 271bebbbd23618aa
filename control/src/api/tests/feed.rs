use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use tenantsdb_codecs::feed::stream::{Line, LineError, Lines};
use tenantsdb_codecs::feed::{ACK_PATH, CAPTURES_PATH, FEED_PATH};
use tokio::time::Duration;

use super::{Running, problem};
use crate::feed::Feed;
use crate::store::tests as rows;

/// Longer than anything here takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

struct Follower {
    response: Response,
    lines: Lines,
    got: std::collections::VecDeque<Line>,
}

impl Follower {
    async fn open(control: &Running, query: &str) -> Self {
        let path = format!("{FEED_PATH}?{query}");
        let response = control.as_proxy(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self {
            response,
            lines: Lines::default(),
            got: Default::default(),
        }
    }

    async fn next(&mut self) -> Line {
        while self.got.is_empty() {
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk());
            let chunk = chunk.await.unwrap().unwrap().expect("the stream ended");
            let got = &mut self.got;
            let pushed = self.lines.push::<LineError>(&chunk, |line| {
                got.push_back(line);
                Ok(())
            });
            pushed.unwrap();
        }
        self.got.pop_front().unwrap()
    }

    /// The next line that is not a mark.
    async fn change(&mut self) -> Line {
        loop {
            match self.next().await {
                Line::Mark(_) => {}
                line => return line,
            }
        }
    }
}

async fn ack(control: &Running, proxy: &str, rev: u64) {
    let body = json!({"proxy": proxy, "epoch": control.context.store.epoch(), "rev": rev});
    let answer = control
        .as_proxy(Method::POST, ACK_PATH)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_feed_takes_proxy_tokens_only() {
    let control = Running::start().await;
    let path = format!("{FEED_PATH}?proxy=p1");
    problem(control.get(&path).await, 401, "unauthorized").await;
    let bad = control.as_proxy(Method::GET, &format!("{FEED_PATH}?proxy=a%20b"));
    problem(bad.send().await.unwrap(), 400, "invalid_name").await;
    let capture =
        json!({"id": "s:1", "database": "a_dev", "pid": 1, "user": "u", "statements": []});
    let sent = control.as_proxy(Method::POST, CAPTURES_PATH).json(&capture);
    problem(sent.send().await.unwrap(), 404, "not_found").await;
    let sent = control.request(Method::POST, CAPTURES_PATH).json(&capture);
    problem(sent.send().await.unwrap(), 401, "unauthorized").await;
}

#[tokio::test]
async fn a_new_proxy_gets_a_snapshot_and_then_changes() {
    let control = Running::start().await;
    let store = &control.context.store;
    rows::put(store, "a__b").await;
    rows::put(store, "a__c").await;
    let mut proxy = Follower::open(&control, "proxy=p1").await;
    let Line::Snapshot(head) = proxy.next().await else {
        panic!()
    };
    assert_eq!((head.rev, head.routes, head.authoritative), (2, 2, true));
    assert_eq!(head.epoch, store.epoch());
    for (rev, database) in [(1, "a__b"), (2, "a__c")] {
        let Line::Put(put) = proxy.next().await else {
            panic!()
        };
        assert_eq!((put.rev, put.route), (rev, rows::route(database)));
    }
    let Line::End(end) = proxy.next().await else {
        panic!()
    };
    assert_eq!(end.rev, 2);

    rows::put(store, "a__d").await;
    let Line::Put(put) = proxy.change().await else {
        panic!()
    };
    assert_eq!((put.rev, put.route.database.as_str()), (3, "a__d"));
    let mut write = store.write().await.unwrap();
    let engine = tenantsdb_codecs::feed::id::Engine::Postgres;
    crate::store::routes::drop(&mut write, engine, "a__b")
        .await
        .unwrap();
    write.commit().await.unwrap();
    let Line::Drop(dropped) = proxy.change().await else {
        panic!()
    };
    assert_eq!((dropped.rev, dropped.database.as_str()), (4, "a__b"));
}

#[tokio::test]
async fn a_proxy_that_comes_back_gets_only_what_it_lacks() {
    let control = Running::start().await;
    let store = &control.context.store;
    let epoch = store.epoch().to_owned();
    rows::put(store, "a__b").await;
    rows::put(store, "a__c").await;
    let mut proxy = Follower::open(&control, &format!("proxy=p1&epoch={epoch}&rev=1")).await;
    let Line::Put(put) = proxy.change().await else {
        panic!()
    };
    assert_eq!(put.rev, 2);
    for query in [
        "epoch=other&rev=1".to_owned(),
        format!("epoch={epoch}&rev=99"),
    ] {
        let mut other = Follower::open(&control, &format!("proxy=p2&{query}")).await;
        assert!(matches!(other.next().await, Line::Snapshot(_)), "{query}");
    }
    let mut write = store.write().await.unwrap();
    let engine = tenantsdb_codecs::feed::id::Engine::Postgres;
    crate::store::routes::drop(&mut write, engine, "a__b")
        .await
        .unwrap();
    crate::store::routes::compact(&mut write, "9999")
        .await
        .unwrap();
    write.commit().await.unwrap();
    let mut below = Follower::open(&control, &format!("proxy=p3&epoch={epoch}&rev=2")).await;
    assert!(matches!(below.next().await, Line::Snapshot(_)));
}

#[tokio::test]
async fn a_change_is_routed_when_every_live_proxy_has_acknowledged_it() {
    let control = Running::start().await;
    let feed = &control.context.feed;
    assert!(feed.wait_routed(0).await.routed, "nobody to wait for");
    let mut one = Follower::open(&control, "proxy=p1").await;
    let mut two = Follower::open(&control, "proxy=p2").await;
    let rev = rows::put(&control.context.store, "a__b").await;
    while !matches!(one.next().await, Line::Put(_)) {}
    while !matches!(two.next().await, Line::Put(_)) {}
    ack(&control, "p1", rev).await;
    let late = feed.wait_routed(rev).await;
    assert_eq!((late.routed, late.behind), (false, vec!["p2".to_owned()]));
    let (routed, ()) = tokio::join!(feed.wait_routed(rev), ack(&control, "p2", rev));
    assert!(routed.routed && routed.behind.is_empty());

    let list: serde_json::Value = control.get("/v1/proxies").await.json().await.unwrap();
    assert_eq!(list["items"][0]["id"], "p1");
    assert_eq!(list["items"][0]["live"], true);
    assert_eq!(list["items"][1]["behind"], 0);
}

#[tokio::test]
async fn a_proxy_that_refused_a_route_has_not_got_it() {
    let control = Running::start().await;
    let _stream = Follower::open(&control, "proxy=p1").await;
    let rev = rows::put(&control.context.store, "a__b").await;
    let body = json!({
        "proxy": "p1", "epoch": control.context.store.epoch(), "rev": rev,
        "nack": {"rev": rev, "database": "a__b", "reason": "no"},
    });
    control
        .as_proxy(Method::POST, ACK_PATH)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(control.context.feed.wait_routed(rev).await.behind, ["p1"]);
}

#[tokio::test]
async fn a_proxy_whose_stream_broke_is_waited_for_and_then_given_up() {
    let control = Running::start().await;
    let feed = &control.context.feed;
    let attached = Feed::attach(&control.context, "p1", 0).unwrap();
    tokio::time::pause();
    drop(attached);
    let started = tokio::time::Instant::now();
    assert!(feed.wait_routed(7).await.routed);
    assert!(started.elapsed() >= Duration::from_secs(3));
}

#[tokio::test]
async fn proxies_that_were_live_before_a_restart_are_waited_for() {
    let control = Running::start().await;
    let store = &control.context.store;
    let _attached = Feed::attach(&control.context, "p1", 3).unwrap();
    control.context.feed.save(store).await.unwrap();
    let mut write = store.write().await.unwrap();
    let gone = crate::store::proxies::Proxy {
        id: "p0".to_owned(),
        acked_rev: 1,
        last_ack_at: "2020-01-01T00:00:00.000000Z".to_owned(),
    };
    crate::store::proxies::put(&mut write, &gone).await.unwrap();
    write.commit().await.unwrap();
    let restarted = Feed::new(store).await.unwrap();
    tokio::time::pause();
    assert!(restarted.wait_routed(3).await.routed);
    assert_eq!(restarted.wait_routed(4).await.behind, ["p1"]);
    assert_eq!(restarted.wait_routed(4).await.behind, ["p1"]);
    let third = restarted.wait_routed(4).await;
    assert!(third.routed, "it is not coming back");
}
