//! For operators and their machines: `/metrics`, `/healthz`, `/readyz`. Plain HTTP without a login,
//! on an address of its own that is not for the public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::sync::watch;

use crate::context::Context;
use crate::metrics::text::{CONTENT_TYPE, Page};
use crate::route::follow::Position;

/// What the handlers look at.
#[derive(Clone, Debug)]
struct Admin {
    context: Arc<Context>,
    position: watch::Receiver<Option<Position>>,
}

/// The three pages.
pub fn router(context: Arc<Context>, position: watch::Receiver<Option<Position>>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Admin { context, position })
}

/// 200 when a client that connects now can be served, as far as it is up to this process.
async fn ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if admin.context.drain.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n");
    }
    if admin.position.borrow().is_none() {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "no routes: none were on disk, and control has not sent any yet\n",
        );
    }
    (StatusCode::OK, "ready\n")
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    let mut page = Page::default();
    let routes = i64::try_from(admin.context.routes.len()).unwrap_or(i64::MAX);
    page.gauge("routes", "Databases that clients can be routed to.", routes);
    admin.context.metrics.render(&mut page);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], page.finish())
}

/// For an answer of [`router`] on the same machine.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// Asks the proxy whose admin address is `listen`; for the `health` subcommand.
///
/// # Errors
///
/// It cannot be reached, or says that it is not well; the text says which.
pub async fn ask(listen: SocketAddr, ready: bool) -> Result<(), String> {
    let _ = crate::tls::provider(); // the client library asks for one, used or not
    let address = dialable(listen);
    let page = if ready { "readyz" } else { "healthz" };
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(ASK_TIMEOUT)
        .build();
    let client = client.map_err(|error| error.to_string())?;
    let answer = client.get(format!("http://{address}/{page}")).send().await;
    let answer = answer.map_err(|_| format!("no proxy answers at {address}"))?;
    if answer.status().is_success() {
        return Ok(());
    }
    let status = answer.status();
    let reason = answer.text().await.unwrap_or_default();
    Err(format!("{status}: {}", reason.trim_end()))
}

/// Where a listener on all addresses can be reached.
fn dialable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_this_machine() {
        let asked = |listen: &str| dialable(listen.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:6090"), "127.0.0.1:6090");
        assert_eq!(asked("[::]:6090"), "[::1]:6090");
        assert_eq!(asked("10.1.2.3:6090"), "10.1.2.3:6090");
    }
}
