//! Typed HTTP client of the REST service: what `tdb` and the end-to-end tests speak through.
//!
//! - [`requests`]: what is sent.
//! - [`types`]: what comes back, as far as a client looks at it.
//! - [`error`]: what can go wrong, by who has to act.
//! - `resources`: one method for each verb of the service.
//!
//! Every `POST` carries a random `Idempotency-Key`, so trying it again is safe ([`RETRIES_MAX`]).
//! Lists follow their cursors by themselves. No method is cancel safe in the sense that the service
//! may have done what was asked although the answer was dropped.

pub mod error;
#[cfg(test)]
pub(crate) mod fake;
pub mod requests;
mod resources;
pub mod types;

use std::fmt;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use error::{Error, Problem};

/// How often a call is tried again after a connection that failed or an answer of a gateway
/// (502, 503). With [`RETRY_DELAY_MS`] that is about two seconds: a restart of the service.
pub const RETRIES_MAX: u32 = 3;
/// Longest wait before the first retry; each further one is four times as long.
pub const RETRY_DELAY_MS: u64 = 100;
/// Items asked for in one page; the service's own maximum.
pub const PAGE_ITEMS_MAX: usize = 1000;
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for an answer to a question.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for a change: the first tenant of a blueprint replays all of its versions.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(300);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// An answer: what the client understands of it, and the body as it came.
#[derive(Clone)]
pub struct Reply<T> {
    /// The part that the client knows.
    pub value: T,
    /// The whole body; `null` when there was none. Lists: all pages, merged.
    pub body: Value,
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, Default)]
pub struct Paging {
    /// At most so many items; all of them if `None`.
    pub limit: Option<usize>,
    /// Where an earlier, limited list ended.
    pub cursor: Option<String>,
}

/// A connection to the REST service. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
}

/// One call, before it is tried for the first time.
struct Call<'a> {
    method: Method,
    path: &'a [&'a str],
    query: &'a [(&'a str, String)],
    body: Option<Value>,
}

// === impl Reply ===

impl<T> fmt::Debug for Reply<T> {
    /// Shows nothing: an answer may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

// === impl Client ===

impl Client {
    /// A client of the service at `api_url` (`http://host:port`, `https://…`) that shows `api_key`.
    /// Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] when the URL or the key cannot be used.
    pub fn new(api_url: &str, api_key: &str) -> Result<Self, Error> {
        let base = parse_base(api_url)?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {api_key}"))
            .map_err(|_| Error::settings("the API key holds characters that no key has"))?;
        authorization.set_sensitive(true);
        // The builder panics without a provider. An Err only says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, authorization)]))
            .user_agent(concat!("tdb/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            // The service redirects nobody, and the key must not follow a redirect elsewhere.
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            // HTTP_PROXY is about the way out; what runs on this machine is not behind it.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|source| Error::Settings {
            text: "cannot set up HTTP".to_owned(),
            source: Some(source),
        })?;
        Ok(Self { http, base })
    }

    /// The address of the service.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.base
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Reply<T>, Error> {
        self.send(Call {
            method: Method::GET,
            path,
            query: &[],
            body: None,
        })
        .await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: Value,
    ) -> Result<Reply<T>, Error> {
        self.send(Call {
            method: Method::POST,
            path,
            query: &[],
            body: Some(body),
        })
        .await
    }

    async fn patch<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: Value,
    ) -> Result<Reply<T>, Error> {
        self.send(Call {
            method: Method::PATCH,
            path,
            query: &[],
            body: Some(body),
        })
        .await
    }

    async fn put<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: Value,
    ) -> Result<Reply<T>, Error> {
        self.send(Call {
            method: Method::PUT,
            path,
            query: &[],
            body: Some(body),
        })
        .await
    }

    async fn delete(&self, path: &[&str]) -> Result<Reply<Value>, Error> {
        self.send(Call {
            method: Method::DELETE,
            path,
            query: &[],
            body: None,
        })
        .await
    }

    /// Reads a list page by page until it ends or `paging.limit` items are there.
    async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        filters: &[(&str, Option<&str>)],
        paging: &Paging,
    ) -> Result<Reply<Vec<T>>, Error> {
        let mut items = Vec::new();
        let mut cursor = paging.cursor.clone();
        let wanted = paging.limit.unwrap_or(usize::MAX);
        loop {
            let page_items = PAGE_ITEMS_MAX.min(wanted.saturating_sub(items.len()));
            let mut query = vec![("limit", page_items.to_string())];
            query.extend(
                filters
                    .iter()
                    .filter_map(|(k, v)| v.map(|v| (*k, v.to_owned()))),
            );
            query.extend(cursor.as_ref().map(|cursor| ("cursor", cursor.clone())));
            let call = Call {
                method: Method::GET,
                path,
                query: &query,
                body: None,
            };
            let page: types::Page = self.send(call).await?.value;
            items.extend(page.items);
            if page.next.is_some() && page.next == cursor {
                return Err(Error::answer(
                    path,
                    "a page points to itself as the next one",
                ));
            }
            cursor = page.next;
            if cursor.is_none() || items.len() >= wanted {
                break;
            }
        }
        let body = json!({ "items": items, "next": cursor });
        let value = items
            .into_iter()
            .map(serde_json::from_value)
            .collect::<Result<_, _>>()
            .map_err(|error| Error::answer(path, &error.to_string()))?;
        Ok(Reply { value, body })
    }

    async fn send<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<Reply<T>, Error> {
        // URLs drop these segments: what is left would be the path of something else.
        if let Some(name) = call
            .path
            .iter()
            .find(|name| matches!(**name, "" | "." | ".."))
        {
            return Err(Error::Name {
                name: (*name).to_owned(),
            });
        }
        let key = match call.method {
            Method::POST => Some(idempotency_key()?),
            _ => None,
        };
        let mut tried = 0;
        let body = loop {
            let outcome = self.attempt(&call, key.as_ref()).await;
            match outcome {
                Err(error) if tried < RETRIES_MAX && error.may_retry(&call.method, tried) => {
                    tokio::time::sleep(retry_delay(tried)).await;
                    tried += 1;
                }
                outcome => break outcome?,
            }
        };
        let value =
            T::deserialize(&body).map_err(|error| Error::answer(call.path, &error.to_string()))?;
        Ok(Reply { value, body })
    }

    /// One request and its whole answer.
    async fn attempt(&self, call: &Call<'_>, key: Option<&HeaderValue>) -> Result<Value, Error> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(call.path);
        }
        let timeout = match call.method {
            Method::GET => READ_TIMEOUT,
            _ => CHANGE_TIMEOUT,
        };
        let mut request = self.http.request(call.method.clone(), url).timeout(timeout);
        if !call.query.is_empty() {
            request = request.query(call.query);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        let unreachable = |source| Error::Unreachable {
            url: self.base.to_string(),
            source,
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        read_body(call.path, status, &body)
    }
}

/// Sorts an answer: the body of a success, the problem of a failure.
fn read_body(path: &[&str], status: StatusCode, body: &[u8]) -> Result<Value, Error> {
    if status.is_success() {
        if body.is_empty() {
            return Ok(Value::Null);
        }
        return serde_json::from_slice(body)
            .map_err(|error| Error::answer(path, &error.to_string()));
    }
    match Problem::read(body) {
        Some(problem) => Err(Error::Problem(Box::new(problem))),
        None => Err(Error::Status {
            status: status.as_u16(),
            text: error::excerpt(body),
        }),
    }
}

fn parse_base(api_url: &str) -> Result<Url, Error> {
    let base = Url::parse(api_url)
        .map_err(|error| Error::settings(format!("\"{api_url}\" is no URL: {error}")))?;
    if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
        return Err(Error::settings(format!(
            "\"{api_url}\" is no address of a REST service; one looks like http://127.0.0.1:6080"
        )));
    }
    Ok(base)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn idempotency_key() -> Result<HeaderValue, Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| Error::settings("the system gives no randomness"))?;
    let key = format!("{:032x}", u128::from_be_bytes(random));
    HeaderValue::try_from(key).map_err(|_| Error::settings("no idempotency key"))
}

/// Between half and all of `RETRY_DELAY_MS * 4^tried`: those that failed together
/// come back apart.
fn retry_delay(tried: u32) -> Duration {
    let mut random = [0; 1];
    // Without randomness the wait is merely less well spread.
    let _ = getrandom::fill(&mut random);
    let whole = RETRY_DELAY_MS.saturating_mul(4_u64.saturating_pow(tried));
    Duration::from_millis(whole / 2 + whole / 2 * u64::from(random[0]) / 255)
}

#[cfg(test)]
mod tests;
