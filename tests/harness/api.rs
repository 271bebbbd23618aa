//! Control's REST interface, as plain HTTP.

use serde_json::Value;
use ureq::Agent;

use crate::wait;

/// A caller with an API key.
pub struct Api {
    agent: Agent,
    /// `http://127.0.0.1:6080`
    pub url: String,
    /// The key, sent as Bearer token.
    pub key: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Content-Type.
    pub content_type: String,
    /// The body, or null where it is empty or no JSON.
    pub body: Value,
}

impl Answer {
    /// The body of an answer with the expected status.
    ///
    /// # Panics
    ///
    /// If the status is another.
    #[must_use]
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// Holds that this is a problem document with this status and code.
    ///
    /// # Panics
    ///
    /// If it is something else.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{:#}",
            self.body
        );
        assert_eq!(self.content_type, "application/problem+json");
        assert_eq!(self.body["status"], status, "{:#}", self.body);
        for text in ["type", "title", "detail"] {
            let value = self.body[text].as_str().unwrap_or_default();
            assert!(!value.is_empty(), "{text} of {:#}", self.body);
        }
    }
}

impl Api {
    /// Nothing is sent yet.
    #[must_use]
    pub fn new(url: &str, key: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(wait::DEADLINE))
            .build();
        Self {
            agent: config.into(),
            url: url.to_owned(),
            key: key.to_owned(),
        }
    }

    /// `GET`.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    /// `DELETE`.
    #[must_use]
    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None)
    }

    /// `POST` of a JSON document.
    #[must_use]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Some(&body.to_string()))
    }

    /// Any method, and a body that need not be JSON.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    #[must_use]
    pub fn send(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        self.try_send(method, path, body)
            .unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// Like [`Self::send`], for a control that may be away.
    ///
    /// # Errors
    ///
    /// When no answer came.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        if !self.key.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        let mut response = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body)?)?
            }
            None => self.agent.run(request.body(())?)?,
        };
        let content_type = response.headers().get("content-type");
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let text = response.body_mut().read_to_string()?;
        Ok(Answer {
            status: response.status().as_u16(),
            content_type,
            body: serde_json::from_str(&text).unwrap_or_default(),
        })
    }
}

/// The status code of `GET url`, or `None` while nobody listens there.
#[must_use]
pub fn status_of(url: &str) -> Option<u16> {
    Api::new(url, "")
        .try_send("GET", "", None)
        .ok()
        .map(|answer| answer.status)
}

/// What `GET url` answers.
///
/// # Panics
///
/// If it does not, or not with success.
#[must_use]
#[track_caller]
pub fn text_of(url: &str) -> String {
    let answer = ureq::get(url).call();
    let mut answer = answer.unwrap_or_else(|e| panic!("{url}: {e}"));
    let text = answer.body_mut().read_to_string();
    text.unwrap_or_else(|e| panic!("{url}: {e}"))
}
