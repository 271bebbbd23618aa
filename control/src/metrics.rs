//! What control counts, for Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::context::Context;
use crate::error::Result;
use crate::store::{captures, routes, tenants};

/// What every family's name starts with.
const PREFIX: &str = "tenantsdb_control_";

/// Counters since the start of the process.
#[derive(Default)]
pub(crate) struct Metrics {
    /// Answers by the first digit of their status, 1 to 5.
    answers: [AtomicU64; 5],
    pub(crate) captures: AtomicU64,
    pub(crate) versions_sealed: AtomicU64,
    pub(crate) seal_failures: AtomicU64,
    pub(crate) feed_snapshots: AtomicU64,
    pub(crate) feed_slow: AtomicU64,
}

/// The text, family by family.
struct Text(String);

impl Metrics {
    /// Counts an answer.
    pub(crate) fn answered(&self, status: u16) {
        if let Some(class) = self
            .answers
            .get(usize::from(status / 100).saturating_sub(1))
        {
            class.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Everything, in the text format of Prometheus 0.0.4
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
pub(crate) async fn render(context: &Context) -> Result<String> {
    let mut read = context.store.read().await?;
    let revisions = routes::revisions(&mut read).await?;
    let tenants = tenants::counts(&mut read).await?;
    let waiting = captures::waiting(&mut read).await?;
    drop(read);
    let mut out = Text(String::new());
    counters(&mut out, &context.metrics);
    let name = "tenants_count";
    out.family(name, "gauge", "Tenants, by status.");
    for (status, count) in tenants {
        out.sample(name, &format!("{{status=\"{status}\"}}"), count);
    }
    let proxies = context.feed.states();
    let live = proxies.iter().filter(|proxy| proxy.live).count();
    out.gauge("routes_count", "Routes in force.", revisions.routes);
    out.gauge("rev", "Newest revision of the routes.", revisions.newest);
    out.gauge(
        "captures_waiting",
        "Captures that no sealing has used.",
        waiting,
    );
    out.gauge(
        "proxies_live",
        "Proxies with a stream that acknowledge.",
        live,
    );
    Ok(out.0)
}

fn counters(out: &mut Text, metrics: &Metrics) {
    let name = "answers_total";
    out.family(name, "counter", "Answers, by class of status.");
    for (class, count) in (1..=5).zip(&metrics.answers) {
        let labels = format!("{{class=\"{class}xx\"}}");
        out.sample(name, &labels, count.load(Ordering::Relaxed));
    }
    out.counter(
        "captures_total",
        "Captures that proxies sent.",
        &metrics.captures,
    );
    let sealed = &metrics.versions_sealed;
    out.counter(
        "versions_sealed_total",
        "Versions made from workspaces.",
        sealed,
    );
    out.counter(
        "seal_failures_total",
        "Sealings that failed.",
        &metrics.seal_failures,
    );
    let snapshots = &metrics.feed_snapshots;
    out.counter(
        "feed_snapshots_total",
        "Snapshots sent to proxies.",
        snapshots,
    );
    let slow = &metrics.feed_slow;
    out.counter(
        "feed_slow_total",
        "Proxies dropped because they did not read.",
        slow,
    );
}

impl Text {
    fn counter(&mut self, name: &str, help: &str, counter: &AtomicU64) {
        self.family(name, "counter", help);
        self.sample(name, "", counter.load(Ordering::Relaxed));
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            self.0,
            "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}"
        );
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        // As above.
        let _ = writeln!(self.0, "{PREFIX}{name}{labels} {value}");
    }
}
