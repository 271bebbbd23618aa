//! A router that knows its routes, so that a test can hold them against the OpenAPI document.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};

use crate::context::Context;

/// Routes of one resource, or of several.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Arc<Context>>,
    listed: Vec<(&'static str, &'static str)>,
}

impl Routes {
    /// Adds `GET path`.
    pub(crate) fn get<H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Arc<Context>>,
        T: 'static,
    {
        self.with("get", path, routing::get(handler))
    }

    /// Adds `POST path`.
    pub(crate) fn post<H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Arc<Context>>,
        T: 'static,
    {
        self.with("post", path, routing::post(handler))
    }

    /// Adds `PUT path`.
    pub(crate) fn put<H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Arc<Context>>,
        T: 'static,
    {
        self.with("put", path, routing::put(handler))
    }

    /// Adds `PATCH path`.
    pub(crate) fn patch<H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Arc<Context>>,
        T: 'static,
    {
        self.with("patch", path, routing::patch(handler))
    }

    /// Adds `DELETE path`.
    pub(crate) fn delete<H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Arc<Context>>,
        T: 'static,
    {
        self.with("delete", path, routing::delete(handler))
    }

    fn with(
        mut self,
        method: &'static str,
        path: &'static str,
        handler: MethodRouter<Arc<Context>>,
    ) -> Self {
        self.listed.push((method, path));
        self.router = self.router.route(path, handler);
        self
    }

    /// Adds the routes of another resource.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.listed.extend(other.listed);
        self.router = self.router.merge(other.router);
        self
    }

    /// Methods and paths.
    #[cfg(test)]
    pub(crate) fn listed(&self) -> &[(&'static str, &'static str)] {
        &self.listed
    }

    /// The routes themselves.
    pub(crate) fn router(self) -> Router<Arc<Context>> {
        self.router
    }
}
