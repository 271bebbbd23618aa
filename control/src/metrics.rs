//! What control counts, for Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::context::Context;
use crate::error::Result;
use crate::store::{captures, routes, tenants};

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

/// Name, kind and help of one family, then its samples.
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
    let metrics = &context.metrics;
    let mut out = Text(String::new());
    out.family(
        "tenantsdb_control_answers_total",
        "counter",
        "Answers of the REST API, by class.",
    );
    for (class, count) in (1..=5).zip(&metrics.answers) {
        let count = count.load(Ordering::Relaxed);
        out.sample(
            "tenantsdb_control_answers_total",
            &format!("class=\"{class}xx\""),
            count,
        );
    }
    for (name, help, counter) in [
        ("captures", "Captures that proxies sent.", &metrics.captures),
        (
            "versions_sealed",
            "Versions made from workspaces.",
            &metrics.versions_sealed,
        ),
        (
            "seal_failures",
            "Sealings that failed.",
            &metrics.seal_failures,
        ),
        (
            "feed_snapshots",
            "Snapshots sent to proxies.",
            &metrics.feed_snapshots,
        ),
        (
            "feed_slow",
            "Proxies dropped because they did not read.",
            &metrics.feed_slow,
        ),
    ] {
        let name = format!("tenantsdb_control_{name}_total");
        out.family(&name, "counter", help);
        out.sample(&name, "", counter.load(Ordering::Relaxed));
    }
    out.family(
        "tenantsdb_control_tenants_count",
        "gauge",
        "Tenants, by status.",
    );
    for (status, count) in tenants {
        out.sample(
            "tenantsdb_control_tenants_count",
            &format!("status=\"{status}\""),
            count,
        );
    }
    let proxies = context.feed.states();
    let live = proxies.iter().filter(|proxy| proxy.live).count();
    for (name, help, value) in [
        ("routes_count", "Routes in force.", revisions.routes),
        ("rev", "Newest revision of the routes.", revisions.newest),
        (
            "captures_waiting",
            "Captures that no sealing has used.",
            waiting.unsigned_abs(),
        ),
        (
            "proxies_live",
            "Proxies with a stream and a recent acknowledgement.",
            live as u64,
        ),
    ] {
        let name = format!("tenantsdb_control_{name}");
        out.family(&name, "gauge", help);
        out.sample(&name, "", value);
    }
    Ok(out.0)
}

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }
}
