use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tenantsdb_codecs::feed::stream::{Line, Mark, Put, Snapshot};
use tenantsdb_codecs::feed::{ACK_PATH, FEED_PATH};
use tenantsdb_codecs::secret::Secret;

use super::super::entry::tests::wire_route;
use super::*;
use crate::config::Control;

type Asked = Vec<(String, String)>;

/// A control of the test's own making: each connection gets the next script and is then closed.
#[derive(Debug, Default)]
struct Scripted {
    streams: Mutex<Vec<Vec<u8>>>,
    asked: Mutex<Vec<Asked>>,
    acks: Mutex<Vec<Ack>>,
    acks_to_fail: Mutex<u32>,
}

async fn stream(
    State(control): State<Arc<Scripted>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    if headers
        .get("authorization")
        .is_none_or(|token| token != "Bearer token")
    {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    control.asked.lock().unwrap().push(asked);
    let mut streams = control.streams.lock().unwrap();
    if streams.is_empty() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    Body::from(streams.remove(0)).into_response()
}

async fn take_ack(State(control): State<Arc<Scripted>>, ack: String) -> StatusCode {
    let mut fail = control.acks_to_fail.lock().unwrap();
    if *fail > 0 {
        *fail -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    control
        .acks
        .lock()
        .unwrap()
        .push(serde_json::from_str(&ack).unwrap());
    StatusCode::NO_CONTENT
}

struct Following {
    control: Arc<Scripted>,
    routes: Arc<Routes>,
    metrics: Arc<Metrics>,
}

impl Following {
    /// Follows a control that sends `streams`, one for each connection.
    async fn start(streams: Vec<Vec<Line>>, acks_to_fail: u32) -> Self {
        let _ = crate::tls::provider();
        let encode = |lines: Vec<Line>| {
            let mut bytes = Vec::new();
            lines
                .iter()
                .for_each(|line| line.encode(&mut bytes).unwrap());
            bytes
        };
        let control = Arc::new(Scripted {
            streams: Mutex::new(streams.into_iter().map(encode).collect()),
            acks_to_fail: Mutex::new(acks_to_fail),
            ..Scripted::default()
        });
        let pages = Router::new()
            .route(FEED_PATH, get(stream))
            .route(ACK_PATH, post(take_ack))
            .with_state(Arc::clone(&control));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, pages).into_future());

        let client = Client::new(&Control {
            url,
            token: Secret::new("token".to_owned()),
            proxy_id: "p1".to_owned(),
        });
        let client = client.unwrap();
        let (progress, progressed) = Progress::channel(None);
        let (routes, metrics) = (Arc::new(Routes::default()), Arc::new(Metrics::default()));
        tokio::spawn({
            let (client, metrics) = (client.clone(), Arc::clone(&metrics));
            async move { acknowledge(client, &metrics, progressed).await }
        });
        tokio::spawn({
            let (routes, metrics) = (Arc::clone(&routes), Arc::clone(&metrics));
            async move { follow(client, &routes, &metrics, Follower::default(), progress).await }
        });
        Self {
            control,
            routes,
            metrics,
        }
    }

    /// Waits until `seen` of the acknowledgements says so.
    async fn acknowledged(&self, seen: impl Fn(&[Ack]) -> bool) -> Vec<Ack> {
        let waiting = async {
            loop {
                let acks = self.control.acks.lock().unwrap().clone();
                if seen(&acks) {
                    return acks;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        let acks = timeout(Duration::from_secs(20), waiting).await;
        acks.unwrap_or_else(|_| panic!("acknowledged: {:?}", self.control.acks.lock().unwrap()))
    }
}

fn snapshot(rev: u64, tenants: &[&str]) -> Vec<Line> {
    let mut lines = vec![Line::Snapshot(Snapshot {
        epoch: "e".to_owned(),
        rev,
        routes: tenants.len() as u64,
        authoritative: false,
    })];
    lines.extend(tenants.iter().map(|tenant| put(rev, tenant)));
    lines.push(Line::End(Mark { rev }));
    lines
}

fn put(rev: u64, tenant: &str) -> Line {
    Line::Put(Put {
        rev,
        route: wire_route(tenant, rev),
    })
}

#[tokio::test]
async fn after_a_break_the_feed_goes_on_where_it_was() {
    let first = snapshot(3, &["a", "b"]);
    let following = Following::start(vec![first, vec![put(4, "c")]], 0).await;
    following
        .acknowledged(|acks| acks.iter().any(|ack| ack.rev == 4))
        .await;
    assert_eq!(following.routes.len(), 3);
    let asked = following.control.asked.lock().unwrap().clone();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(asked[0], [pair("proxy", "p1")]);
    assert_eq!(
        asked[1],
        [pair("proxy", "p1"), pair("epoch", "e"), pair("rev", "3")]
    );
    assert!(following.metrics.feed_connects.value() >= 2);
}

#[tokio::test]
async fn what_came_before_a_broken_line_is_in_force_and_acknowledged() {
    let mut lines = snapshot(3, &["a"]);
    lines.push(Line::End(Mark { rev: 3 })); // makes no sense here
    let following = Following::start(vec![lines], 0).await;
    following
        .acknowledged(|acks| acks.iter().any(|ack| ack.rev == 3))
        .await;
    assert_eq!(following.routes.len(), 1);
    let faults = &following.metrics.faults;
    crate::fake::until(|| faults.value(FaultKind::Control) > 0).await;
}

#[tokio::test]
async fn a_mark_is_acknowledged_as_a_sign_of_life() {
    let mark = || vec![Line::Mark(Mark { rev: 3 })];
    let following = Following::start(vec![snapshot(3, &["a"]), mark()], 0).await;
    following
        .acknowledged(|acks| acks.len() == 2 && acks[1].rev == 3)
        .await;
}

#[tokio::test]
async fn a_refused_route_is_reported_and_the_rest_goes_on() {
    let mut lines = snapshot(3, &["a"]);
    let mut bad = wire_route("b", 1);
    bad.logins[0].verifier.clear();
    lines.push(Line::Put(Put { rev: 4, route: bad }));
    lines.push(put(5, "c"));
    let following = Following::start(vec![lines], 2).await;
    let acks = following
        .acknowledged(|acks| acks.iter().any(|ack| ack.nack.is_some() && ack.rev == 5))
        .await;
    let nack = acks.iter().find_map(|ack| ack.nack.clone()).unwrap();
    assert_eq!((nack.rev, nack.database.as_str()), (4, "app__b"));
    assert_eq!(
        (
            following.routes.len(),
            following.metrics.routes_refused.value()
        ),
        (2, 1)
    );
}

#[test]
fn waits_double_with_jitter_up_to_a_limit_and_start_again() {
    let mut backoff = Backoff::new(BACKOFF);
    let mut expected = BACKOFF.0;
    for _ in 0..20 {
        let wait = backoff.next();
        assert!(
            wait >= expected / 2 && wait <= expected,
            "{wait:?} of {expected:?}"
        );
        expected = BACKOFF.1.min(2 * expected);
    }
    backoff.reset();
    assert!(backoff.next() <= BACKOFF.0);
}
