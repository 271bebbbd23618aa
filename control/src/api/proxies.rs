//! `/v1/proxies`: who follows the route feed, and how far each is.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Json;
use serde::Serialize;

use super::error::Problem;
use super::extract::Query;
use super::page::{Page, PageQuery, Window};
use super::routes::Routes;
use crate::context::Context;
use crate::error::Result;
use crate::store::timestamp;

/// A proxy.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Proxy {
    id: String,
    /// It has an open stream and acknowledged something within ten seconds.
    live: bool,
    /// The revision of the routes that it has in force.
    acked_rev: u64,
    /// How many revisions it lacks.
    behind: u64,
    last_ack_at: String,
    /// The last route that it could not use, if there was one.
    refused: Option<Refused>,
}

/// A route that a proxy could not use; it kept the one before.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Refused {
    rev: u64,
    database: String,
    reason: String,
}

pub(super) fn routes() -> Routes {
    Routes::default().get("/v1/proxies", list)
}

/// List proxies.
#[utoipa::path(
    get, path = "/v1/proxies", tag = "proxies", params(PageQuery),
    responses((status = 200, body = Page<Proxy>), (status = "default", body = Problem))
)]
pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Proxy>>> {
    let window = Window::new("proxies", query.limit, query.cursor.as_deref())?;
    let newest = *context.store.rev().borrow();
    let items: Vec<Proxy> = context
        .feed
        .states()
        .into_iter()
        .filter(|state| state.id > window.after)
        .take(usize::try_from(window.fetch()).unwrap_or(usize::MAX))
        .map(|state| Proxy {
            id: state.id,
            live: state.live,
            acked_rev: state.acked_rev,
            behind: newest.saturating_sub(state.acked_rev),
            last_ack_at: timestamp(state.last_ack_at),
            refused: state.nack.map(|nack| Refused {
                rev: nack.rev,
                database: nack.database,
                reason: nack.reason,
            }),
        })
        .collect();
    Ok(Json(window.page(items, |item| &item.id, |item| item)))
}
