//! The OpenAPI document, made from the handlers and their types.

use axum::response::Json;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::routes::Routes;
use super::{
    api_keys, blueprints, credentials, deployments, drift, proxies, servers, settings, tenants,
    workspaces,
};

/// The document.
#[derive(OpenApi)]
#[openapi(
    info(title = "TenantsDB", description = "The control plane of TenantsDB."),
    paths(
        servers::create, servers::list, servers::fetch, servers::delete,
        workspaces::create, workspaces::list, workspaces::fetch, workspaces::delete,
        workspaces::diff,
        settings::fetch, settings::set,
        blueprints::list, blueprints::fetch, blueprints::list_versions,
        tenants::create, tenants::list, tenants::fetch, tenants::delete,
        tenants::change, tenants::suspend, tenants::resume,
        drift::fetch,
        credentials::rotate,
        deployments::create, deployments::list, deployments::fetch,
        proxies::list,
        api_keys::create, api_keys::list, api_keys::delete,
        show,
    ),
    modifiers(&ApiKeyRequired, &OperationIds),
    security(("api_key" = []))
)]
pub(crate) struct Api;

/// Says how requests show their key.
struct ApiKeyRequired;

pub(super) fn routes() -> Routes {
    Routes::default().get("/v1/openapi.json", show)
}

/// This document.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "openapi", security(()),
    responses(
        (status = 200, description = "an OpenAPI document", content_type = "application/json")
    )
)]
pub(crate) async fn show() -> Json<Document> {
    Json(Api::openapi())
}

impl Modify for ApiKeyRequired {
    fn modify(&self, document: &mut Document) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document
            .components
            .get_or_insert_with(Default::default)
            .add_security_scheme("api_key", scheme);
    }
}

/// Handlers are called `create` or `list` in every resource; in the document each has its own name.
struct OperationIds;

impl Modify for OperationIds {
    fn modify(&self, document: &mut Document) {
        for path in document.paths.paths.values_mut() {
            for operation in [
                &mut path.get,
                &mut path.post,
                &mut path.put,
                &mut path.delete,
            ]
            .into_iter()
            .flatten()
            {
                if let (Some(id), Some([tag])) =
                    (&operation.operation_id, operation.tags.as_deref())
                {
                    operation.operation_id = Some(format!("{tag}_{id}").replace('-', "_"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_in_the_document_and_nothing_else() {
        let document = serde_json::to_value(Api::openapi()).unwrap();
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap();
                methods.keys().map(|method| (method.clone(), path.clone()))
            })
            .collect();
        let routed: BTreeSet<(String, String)> = crate::api::resources()
            .merge(routes())
            .listed()
            .iter()
            .map(|(method, path)| ((*method).to_owned(), (*path).to_owned()))
            .collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let document = serde_json::to_value(Api::openapi()).unwrap();
        let mut seen = BTreeSet::new();
        for methods in document["paths"].as_object().unwrap().values() {
            for operation in methods.as_object().unwrap().values() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(seen.insert(id.to_owned()), "{id}");
            }
        }
        assert!(seen.contains("tenants_create"));
    }
}
