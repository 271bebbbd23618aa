//! The text form: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write as _;

use super::counter::{Counter, Family, Gauge};
use super::{Label, Metrics};

/// `Content-Type` of [`Page::finish`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Collects metrics into one page.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// One number that only grows; `name` without `_total`.
    pub fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        let name = format!("tenantsdb_{name}_total");
        self.head(&name, help, "counter");
        self.sample(format_args!("{name} {}", counter.value()));
    }

    /// A number for each value of a label; `name` without `_total`.
    pub fn family<L: Label, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        family: &Family<L, N>,
    ) {
        let name = format!("tenantsdb_{name}_total");
        self.head(&name, help, "counter");
        for label in L::ALL {
            let (key, text, value) = (L::NAME, label.label(), family.value(*label));
            self.sample(format_args!("{name}{{{key}=\"{text}\"}} {value}"));
        }
    }

    /// A number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: i64) {
        let name = format!("tenantsdb_{name}");
        self.head(&name, help, "gauge");
        self.sample(format_args!("{name} {value}"));
    }

    /// The page.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.sample(format_args!("# HELP {name} {help}"));
        self.sample(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.0, "{line}"); // a String takes everything
    }
}

impl Metrics {
    /// Adds all of them to `page`.
    pub fn render(&self, page: &mut Page) {
        let gauge = |page: &mut Page, name, help, gauge: &Gauge| {
            page.gauge(name, help, gauge.value());
        };
        page.counter("client_accepted", "Connections taken.", &self.accepted);
        page.counter(
            "client_accept_errors",
            "Failures to take a connection, most likely out of file descriptors.",
            &self.accept_errors,
        );
        gauge(page, "clients", "Clients connected now.", &self.clients);
        page.family("logins", "Logins by how they ended.", &self.logins);
        page.family(
            "faults",
            "Sessions that ended badly, and requests to control that failed.",
            &self.faults,
        );
        page.family("relayed_bytes", "Bytes relayed.", &self.relayed_bytes);
        gauge(
            page,
            "server_connections",
            "Server connections open now, idle ones included.",
            &self.server_connections,
        );
        page.family(
            "server_connects",
            "Attempts to open a server connection.",
            &self.server_connects,
        );
        page.family(
            "pinned",
            "Times that a session in transaction mode had to keep its server connection.",
            &self.pinned,
        );
        page.family(
            "checkouts",
            "Checkouts of server connections.",
            &self.checkouts,
        );
        page.family(
            "resets",
            "Resets of server connections between sessions.",
            &self.resets,
        );
        page.family("cancels", "Cancel requests of clients.", &self.cancels);
        page.family("captures", "Captures sent to control.", &self.captures);
        gauge(
            page,
            "feed_connected",
            "1 while the route feed is followed.",
            &self.feed_connected,
        );
        page.counter(
            "feed_connects",
            "Attempts to follow the route feed.",
            &self.feed_connects,
        );
        gauge(
            page,
            "feed_rev",
            "Revision of the routes in force.",
            &self.feed_rev,
        );
        page.counter(
            "routes_refused",
            "Routes that came and could not be used.",
            &self.routes_refused,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Direction, Outcome};
    use super::*;

    #[test]
    fn the_page_has_the_form_that_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.relayed_bytes.add(Direction::ServerToClient, 7);
        metrics.resets.increment(Outcome::Ok);
        let mut page = Page::default();
        metrics.render(&mut page);
        let page = page.finish();
        assert!(page.contains("# TYPE tenantsdb_relayed_bytes_total counter\n"));
        assert!(page.contains("tenantsdb_relayed_bytes_total{direction=\"server_to_client\"} 7\n"));
        assert!(page.contains("tenantsdb_resets_total{outcome=\"ok\"} 1\n"));
        for line in page.lines() {
            assert!(
                line.starts_with("# ") || line.starts_with("tenantsdb_"),
                "{line}"
            );
        }
    }
}
