//! A service for tests: answers what the test says, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `POST /v1/tenants`, with the query.
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// What the service answers: a status and a body.
pub(crate) type Answer = (u16, Value);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Asked>>>);

/// The running service; it ends with the test's runtime.
pub(crate) struct Fake {
    pub(crate) url: String,
    log: Log,
}

// === impl Fake ===

impl Fake {
    /// Starts a service on a free port. `answer` gets the request line and how many requests came
    /// before it.
    pub(crate) async fn start(
        answer: impl Fn(&str, usize) -> Answer + Clone + Send + Sync + 'static,
    ) -> Self {
        let log = Log::default();
        let seen = log.clone();
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let line = format!("{method} {uri}");
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let mut log = seen.0.lock().unwrap();
            let (status, answer) = answer(&line, log.len());
            log.push(Asked {
                line,
                headers,
                body,
            });
            let status = StatusCode::from_u16(status).unwrap();
            let text = if answer.is_null() {
                String::new()
            } else {
                answer.to_string()
            };
            let headers = [(header::CONTENT_TYPE, "application/json")];
            async move { (status, headers, text).into_response() }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = axum::serve(listener, Router::new().fallback(handler));
        tokio::spawn(service.into_future());
        Self { url, log }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.0.lock().unwrap().clone()
    }

    /// The request lines alone.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

/// A problem document.
pub(crate) fn problem(status: u16, code: &str, detail: &str) -> Answer {
    (
        status,
        json!({ "type": "about:blank", "status": status, "code": code, "detail": detail }),
    )
}
