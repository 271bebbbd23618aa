//! `/v1/servers`: the database servers that workspaces and tenants are placed on.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use tenantsdb_codecs::feed::route::ServerTls;
use tenantsdb_codecs::secret::Secret;

use super::error::Problem;
use super::extract::{Json as Body, Query, Segment};
use super::page::{Page, PageQuery, Window};
use super::routes::Routes;
use crate::app;
use crate::context::Context;
use crate::error::Result;
use crate::store::servers::{self as rows, Mode};

/// A database server.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Server {
    id: String,
    name: String,
    engine: &'static str,
    /// `host:port`.
    address: String,
    #[schema(value_type = String, example = "disable")]
    tls: ServerTls,
    mode: Mode,
    labels: BTreeMap<String, String>,
    /// How many tenant databases may be placed here; null: no bound.
    capacity: Option<u32>,
    /// What the server says of itself.
    version: String,
    /// Tenant databases placed here.
    tenants: u64,
    created_at: String,
}

/// A server to register.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewServer {
    /// The address if left out.
    name: Option<String>,
    /// `PostgreSQL`, `MySQL` or `Redis`, in any case. MariaDB is `MySQL` and Valkey `Redis`: the
    /// server says which it is.
    engine: String,
    /// `host:port`.
    address: String,
    /// An administrator: a superuser on PostgreSQL, an account with all privileges and the right to
    /// grant them on MySQL, a user with `~* &* +@all` on Redis.
    user: String,
    password: String,
    /// `disable` (the default), `require` or `verify-full`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    tls: ServerTls,
    /// `shared` (the default), or `dedicated` for a Redis server that one tenant gets whole.
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    capacity: Option<u32>,
}

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/v1/servers", create)
        .get("/v1/servers", list)
        .get("/v1/servers/{server}", fetch)
        .delete("/v1/servers/{server}", delete)
}

/// Register a database server.
#[utoipa::path(
    post, path = "/v1/servers", tag = "servers", request_body = NewServer,
    responses((status = 201, body = Server), (status = "default", body = Problem))
)]
pub(crate) async fn create(
    State(context): State<Arc<Context>>,
    Body(new): Body<NewServer>,
) -> Result<(StatusCode, Json<Server>)> {
    let new = app::servers::NewServer {
        name: new.name,
        engine: new.engine.parse()?,
        addr: new.address,
        tls: new.tls,
        user: new.user,
        password: Secret::new(new.password),
        mode: new.mode,
        labels: new.labels,
        capacity: new.capacity,
    };
    let server = app::servers::create(&context, new).await?;
    Ok((StatusCode::CREATED, Json(server.into())))
}

/// List database servers.
#[utoipa::path(
    get, path = "/v1/servers", tag = "servers", params(PageQuery),
    responses((status = 200, body = Page<Server>), (status = "default", body = Problem))
)]
pub(crate) async fn list(
    State(context): State<Arc<Context>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<Server>>> {
    let window = Window::new("servers", query.limit, query.cursor.as_deref())?;
    let mut read = context.store.read().await?;
    let rows = rows::list(&mut read, &window.after, window.fetch()).await?;
    Ok(Json(window.page(rows, |row| &row.name, Server::from)))
}

/// Get one database server.
#[utoipa::path(
    get, path = "/v1/servers/{server}", tag = "servers",
    params(("server" = String, Path, description = "id or name")),
    responses((status = 200, body = Server), (status = "default", body = Problem))
)]
pub(crate) async fn fetch(
    State(context): State<Arc<Context>>,
    Segment(name): Segment,
) -> Result<Json<Server>> {
    let row = app::servers::fetch(&mut *context.store.read().await?, &name).await?;
    Ok(Json(row.into()))
}

/// Forget a database server that nothing is placed on.
#[utoipa::path(
    delete, path = "/v1/servers/{server}", tag = "servers",
    params(("server" = String, Path, description = "id or name")),
    responses((status = 204), (status = "default", body = Problem))
)]
pub(crate) async fn delete(
    State(context): State<Arc<Context>>,
    Segment(name): Segment,
) -> Result<StatusCode> {
    app::servers::delete(&context, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<rows::Server> for Server {
    fn from(row: rows::Server) -> Self {
        Self {
            id: row.id,
            name: row.name,
            engine: row.engine.name(),
            address: row.addr,
            tls: row.tls,
            mode: row.mode,
            labels: row.labels,
            capacity: row.capacity,
            version: row.version,
            tenants: row.databases,
            created_at: row.created_at,
        }
    }
}
