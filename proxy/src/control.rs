//! How control is spoken to: three requests, each with the proxy token.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};
use tenantsdb_codecs::feed::capture::{Capture, Sealed};
use tenantsdb_codecs::feed::stream::Ack;
use tenantsdb_codecs::feed::{ACK_PATH, CAPTURES_PATH, FEED_PATH};

use crate::config::Control;
use crate::fault::{Fault, FaultKind};
use crate::route::follow::Position;

/// For a TCP and TLS connection to control.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For the head of the feed's answer.
const FEED_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// For a request other than the feed, as a whole.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of control with its own connection pool. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    proxy_id: String,
}

/// Why control did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The token cannot be sent.
    #[error("the proxy token cannot be sent in a header")]
    Token,
    /// Control cannot be reached, or its answer cannot be read.
    #[error("{}", chain(.0))]
    Http(#[source] reqwest::Error),
    /// Nothing came in time.
    #[error("no answer in time")]
    TimedOut,
    /// Control does not know the token.
    #[error(
        "control does not accept the proxy token: compare --proxy-token-file with what \
         `tenantsdb-control init` printed"
    )]
    Unauthorized,
    /// Control answered with an error.
    #[error("control answered {0}")]
    Status(StatusCode),
}

impl From<reqwest::Error> for ControlError {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url()) // long, and always the same
    }
}

impl Fault for ControlError {
    fn kind(&self) -> FaultKind {
        FaultKind::Control
    }
}

/// An error with its causes, which reqwest leaves out: "connection refused" is one of them.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Client {
    /// A client that knows the token. Needs the process's cryptography ([`crate::tls::provider`]).
    ///
    /// # Errors
    ///
    /// The token cannot be sent, or there are no roots to verify `https` with.
    pub fn new(control: &Control) -> Result<Self, ControlError> {
        let token = format!("Bearer {}", control.token.expose());
        let mut token = HeaderValue::from_str(&token).map_err(|_| ControlError::Token)?;
        token.set_sensitive(true);
        let http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, token)]))
            .user_agent(concat!("tenantsdb-proxy/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy() // the token goes to the address that was configured and nowhere else
            .build()?;
        Ok(Self {
            http,
            url: control.url.clone(),
            proxy_id: control.proxy_id.clone(),
        })
    }

    /// The id that the feed is followed under.
    #[must_use]
    pub fn proxy_id(&self) -> &str {
        &self.proxy_id
    }

    /// Opens the feed behind `position`, or with a snapshot if there is none. Cancel safe.
    ///
    /// # Errors
    ///
    /// Control cannot be reached or refuses.
    pub async fn feed(&self, position: Option<&Position>) -> Result<Response, ControlError> {
        let mut request = self.http.get(format!("{}{FEED_PATH}", self.url));
        request = request.query(&[("proxy", &self.proxy_id)]);
        if let Some(Position { epoch, rev }) = position {
            request = request.query(&[("epoch", epoch)]).query(&[("rev", rev)]);
        }
        let head = tokio::time::timeout(FEED_HEAD_TIMEOUT, request.send()).await;
        accepted(head.map_err(|_| ControlError::TimedOut)??)
    }

    /// Says which revision is in force. Cancel safe.
    ///
    /// # Errors
    ///
    /// Control cannot be reached or refuses.
    pub async fn ack(&self, ack: &Ack) -> Result<(), ControlError> {
        let request = self.http.post(format!("{}{ACK_PATH}", self.url)).json(ack);
        accepted(request.timeout(REQUEST_TIMEOUT).send().await?)?;
        Ok(())
    }

    /// Hands over captured statements; the answer comes when they are sealed. Cancel safe: control
    /// takes each id once.
    ///
    /// # Errors
    ///
    /// Control cannot be reached or refuses.
    pub async fn capture(&self, capture: &Capture) -> Result<Sealed, ControlError> {
        let request = self
            .http
            .post(format!("{}{CAPTURES_PATH}", self.url))
            .json(capture);
        let answer = accepted(request.timeout(REQUEST_TIMEOUT).send().await?)?;
        Ok(answer.json().await?)
    }
}

fn accepted(answer: Response) -> Result<Response, ControlError> {
    match answer.status() {
        status if status.is_success() => Ok(answer),
        StatusCode::UNAUTHORIZED => Err(ControlError::Unauthorized),
        status => Err(ControlError::Status(status)),
    }
}
