//! One method for each verb of the REST service, noun first.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::requests::{DeploymentCreate, ServerAdd, TenantCreate, WorkspaceCreate};
use super::types::{
    ApiKey, ApiKeyIssued, Blueprint, BlueprintVersion, CredentialRotated, Deployment, Diff, Drift,
    Proxy, Server, Settings, Tenant, Workspace,
};
use super::{Call, Client, Error, PAGE_ITEMS_MAX, Paging, Reply};

type Listed<T> = Result<Reply<Vec<T>>, Error>;

impl Client {
    /// Registers a database server.
    ///
    /// # Errors
    ///
    /// See [`Error`]; the same for all methods below.
    pub async fn server_add(&self, server: &ServerAdd) -> Result<Reply<Server>, Error> {
        self.post(&["servers"], body(server)?).await
    }

    /// Lists the registered servers.
    pub async fn server_list(&self, paging: &Paging) -> Listed<Server> {
        self.list(&["servers"], &[], paging).await
    }

    /// One server, by id or name.
    pub async fn server_fetch(&self, server: &str) -> Result<Reply<Server>, Error> {
        self.get(&["servers", server]).await
    }

    /// Forgets a server that holds no database of ours.
    pub async fn server_remove(&self, server: &str) -> Result<Reply<Value>, Error> {
        self.delete(&["servers", server]).await
    }

    /// Makes a workspace, its database and its blueprint.
    pub async fn workspace_create(
        &self,
        workspace: &WorkspaceCreate,
    ) -> Result<Reply<Workspace>, Error> {
        self.post(&["workspaces"], body(workspace)?).await
    }

    /// Lists the workspaces.
    pub async fn workspace_list(&self, paging: &Paging) -> Listed<Workspace> {
        self.list(&["workspaces"], &[], paging).await
    }

    /// One workspace.
    pub async fn workspace_fetch(&self, name: &str) -> Result<Reply<Workspace>, Error> {
        self.get(&["workspaces", name]).await
    }

    /// The statements that some tenant lacks.
    pub async fn workspace_diff(&self, name: &str) -> Result<Reply<Diff>, Error> {
        self.get(&["workspaces", name, "diff"]).await
    }

    /// The settings of a Redis workspace.
    pub async fn settings_fetch(&self, workspace: &str) -> Result<Reply<Settings>, Error> {
        self.get(&["workspaces", workspace, "settings"]).await
    }

    /// Sets all settings of a Redis workspace.
    pub async fn settings_set(
        &self,
        workspace: &str,
        settings: &Settings,
    ) -> Result<Reply<Settings>, Error> {
        let path = ["workspaces", workspace, "settings"];
        self.put(&path, body(settings)?).await
    }

    /// Drops a workspace, its database and its blueprint.
    pub async fn workspace_delete(&self, name: &str) -> Result<Reply<Value>, Error> {
        self.delete(&["workspaces", name]).await
    }

    /// Lists the blueprints.
    pub async fn blueprint_list(&self, paging: &Paging) -> Listed<Blueprint> {
        self.list(&["blueprints"], &[], paging).await
    }

    /// One blueprint: versions and tables.
    pub async fn blueprint_fetch(&self, name: &str) -> Result<Reply<Blueprint>, Error> {
        self.get(&["blueprints", name]).await
    }

    /// The versions of a blueprint with their statements.
    pub async fn blueprint_versions(
        &self,
        name: &str,
        paging: &Paging,
    ) -> Listed<BlueprintVersion> {
        self.list(&["blueprints", name, "versions"], &[], paging)
            .await
    }

    /// Makes a tenant and its database.
    pub async fn tenant_create(&self, tenant: &TenantCreate) -> Result<Reply<Tenant>, Error> {
        self.post(&["tenants"], body(tenant)?).await
    }

    /// Lists the tenants, of one blueprint or status if asked.
    pub async fn tenant_list(
        &self,
        blueprint: Option<&str>,
        status: Option<&str>,
        paging: &Paging,
    ) -> Listed<Tenant> {
        self.list(
            &["tenants"],
            &[("blueprint", blueprint), ("status", status)],
            paging,
        )
        .await
    }

    /// One tenant.
    pub async fn tenant_fetch(&self, name: &str) -> Result<Reply<Tenant>, Error> {
        self.get(&["tenants", name]).await
    }

    /// Says when the server connections of a tenant's database are given back.
    pub async fn tenant_pool_mode_set(
        &self,
        name: &str,
        blueprint: &str,
        pool_mode: &str,
    ) -> Result<Reply<Tenant>, Error> {
        let path = ["tenants", name, "databases", blueprint];
        self.patch(&path, json!({ "pool_mode": pool_mode })).await
    }

    /// How its databases differ from the versions that they have.
    pub async fn tenant_drift(&self, name: &str) -> Result<Reply<Drift>, Error> {
        self.get(&["tenants", name, "drift"]).await
    }

    /// Closes a tenant to its clients.
    pub async fn tenant_suspend(&self, name: &str) -> Result<Reply<Tenant>, Error> {
        self.post(&["tenants", name, "suspend"], json!({})).await
    }

    /// Opens a suspended tenant.
    pub async fn tenant_resume(&self, name: &str) -> Result<Reply<Tenant>, Error> {
        self.post(&["tenants", name, "resume"], json!({})).await
    }

    /// Drops a tenant with its data; the work goes on after the answer.
    pub async fn tenant_delete(&self, name: &str) -> Result<Reply<Value>, Error> {
        self.delete(&["tenants", name]).await
    }

    /// Issues a new password for a database's login; the old one ends.
    pub async fn credential_rotate(
        &self,
        database: &str,
    ) -> Result<Reply<CredentialRotated>, Error> {
        self.post(&["credentials", database, "rotate"], json!({}))
            .await
    }

    /// Starts a deployment; it goes on after the answer.
    pub async fn deployment_create(
        &self,
        deployment: &DeploymentCreate,
    ) -> Result<Reply<Deployment>, Error> {
        self.post(&["deployments"], body(deployment)?).await
    }

    /// Lists the deployments, of one blueprint if asked.
    pub async fn deployment_list(
        &self,
        blueprint: Option<&str>,
        paging: &Paging,
    ) -> Listed<Deployment> {
        self.list(&["deployments"], &[("blueprint", blueprint)], paging)
            .await
    }

    /// One deployment with the outcome for every tenant: all pages of its results, merged.
    pub async fn deployment_fetch(&self, id: &str) -> Result<Reply<Deployment>, Error> {
        let path = ["deployments", id];
        let mut results = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut page = self
                .deployment_page(&path, PAGE_ITEMS_MAX, cursor.as_ref())
                .await?;
            if let Some(Value::Array(items)) = page.body.get_mut("results").map(Value::take) {
                results.extend(items);
            }
            if page.value.next.is_some() && page.value.next != cursor {
                cursor = page.value.next;
                continue;
            }
            page.body["results"] = Value::Array(results);
            if let Some(fields) = page.body.as_object_mut() {
                fields.remove("next");
            }
            let value = Deployment::deserialize(&page.body)
                .map_err(|error| Error::answer(&path, &error.to_string()))?;
            let body = page.body;
            return Ok(Reply { value, body });
        }
    }

    /// How far a deployment is: its counts, without the outcome for each tenant.
    pub async fn deployment_progress(&self, id: &str) -> Result<Reply<Deployment>, Error> {
        self.deployment_page(&["deployments", id], 1, None).await
    }

    async fn deployment_page(
        &self,
        path: &[&str],
        results: usize,
        cursor: Option<&String>,
    ) -> Result<Reply<Deployment>, Error> {
        let mut query = vec![("limit", results.to_string())];
        query.extend(cursor.map(|cursor| ("cursor", cursor.clone())));
        self.send(Call {
            method: Method::GET,
            path,
            query: &query,
            body: None,
        })
        .await
    }

    /// Lists the proxies that the service knows.
    pub async fn proxy_list(&self, paging: &Paging) -> Listed<Proxy> {
        self.list(&["proxies"], &[], paging).await
    }

    /// Issues an API key; its secret is in this answer only.
    pub async fn api_key_create(&self, name: &str) -> Result<Reply<ApiKeyIssued>, Error> {
        self.post(&["api-keys"], json!({ "name": name })).await
    }

    /// Lists the API keys, without their secrets.
    pub async fn api_key_list(&self, paging: &Paging) -> Listed<ApiKey> {
        self.list(&["api-keys"], &[], paging).await
    }

    /// Ends an API key.
    pub async fn api_key_delete(&self, id: &str) -> Result<Reply<Value>, Error> {
        self.delete(&["api-keys", id]).await
    }
}

fn body(request: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(request).map_err(|error| Error::settings(error.to_string()))
}
