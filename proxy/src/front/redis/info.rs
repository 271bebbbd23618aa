//! INFO of a tenant: what the server says that is true of each of its tenants alike, and the
//! tenant's own figures in the place of everybody's.
//!
//! A field of the server's is let pass only if it is in [`PASSED`]; what newer servers add stays
//! behind until somebody has looked at it.

use std::fmt::Write as _;

use tenantsdb_codecs::feed::route::{PoolMode, Redis};

use crate::walk::usage::Counted;

/// The sections, in Redis's order, and which fields of the server's are in them. Drivers read
/// `redis_version`, `redis_mode`, `role`, `loading` and `cluster_enabled`; queue libraries
/// `maxmemory_policy`.
const PASSED: [(&str, &[&str]); 9] = [
    (
        "Server",
        &[
            "redis_version",
            "server_name",
            "valkey_version",
            "valkey_release_stage",
            "os",
            "arch_bits",
            "multiplexing_api",
            "server_time_usec",
            "uptime_in_seconds",
            "uptime_in_days",
        ],
    ),
    ("Clients", &[]),
    ("Memory", &["maxmemory_policy"]),
    ("Persistence", &[]),
    ("Replication", &[]),
    ("Modules", &["module"]),
    ("Cluster", &[]),
    ("Keyspace", &[]),
    ("TenantsDB", &[]),
];

/// What the proxy knows of the tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own<'a> {
    /// The database.
    pub(crate) database: &'a str,
    /// When its server connections are given back.
    pub(crate) pool_mode: PoolMode,
    /// Its limits.
    pub(crate) limits: &'a Redis,
    /// Its clients in this process.
    pub(crate) clients: usize,
    /// Of these, those that wait in a blocking command.
    pub(crate) blocked: usize,
    /// How many there may be.
    pub(crate) clients_max: Option<u32>,
    /// What the last count found.
    pub(crate) counted: Option<Counted>,
}

/// Whether somebody who asks for these sections wants to know how many keys there are; who asks for
/// no section is a driver that has just connected.
pub(crate) fn wants_keys(sections: &[&[u8]]) -> bool {
    let named = |name: &str| {
        sections
            .iter()
            .any(|it| it.eq_ignore_ascii_case(name.as_bytes()))
    };
    named("keyspace") || named("tenantsdb")
}

/// The text for the tenant: `server` is the server's own answer to INFO. Without `sections`, all.
pub(crate) fn view(server: &[u8], sections: &[&[u8]], own: &Own<'_>) -> Vec<u8> {
    let server = String::from_utf8_lossy(server);
    let mut text = String::new();
    for (section, passed) in PASSED {
        if !is_wanted(section, sections) {
            continue;
        }
        let mut lines = String::new();
        for line in lines_of(&server, section) {
            let field = line.split(':').next().unwrap_or_default();
            if passed.contains(&field) {
                push(&mut lines, line);
            }
        }
        own.push(section, &mut lines);
        if lines.is_empty() && section != "Keyspace" {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        push(&mut text, &format!("# {section}"));
        text.push_str(&lines);
    }
    text.into_bytes()
}

/// Whether a section is among those that were asked for.
fn is_wanted(section: &str, sections: &[&[u8]]) -> bool {
    let means = |asked: &&[u8]| {
        let all: [&[u8]; 3] = [b"default", b"all", b"everything"];
        asked.eq_ignore_ascii_case(section.as_bytes())
            || all.iter().any(|all| asked.eq_ignore_ascii_case(all))
    };
    sections.is_empty() || sections.iter().any(means)
}

/// The lines of one section of the server's answer.
fn lines_of<'a>(server: &'a str, section: &'a str) -> impl Iterator<Item = &'a str> {
    let mut inside = false;
    server.lines().filter(move |line| {
        if let Some(name) = line.strip_prefix("# ") {
            inside = name.trim_end().eq_ignore_ascii_case(section);
            return false;
        }
        inside && !line.is_empty()
    })
}

fn push(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push_str("\r\n");
}

/// A number of bytes as Redis writes it for people.
fn human(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1 << 40, "T"),
        (1 << 30, "G"),
        (1 << 20, "M"),
        (1 << 10, "K"),
    ];
    for (size, unit) in UNITS {
        if bytes >= size {
            let hundredths = u128::from(bytes) * 100 / u128::from(size);
            return format!("{}.{:02}{unit}", hundredths / 100, hundredths % 100);
        }
    }
    format!("{bytes}B")
}

// === impl Own ===

impl Own<'_> {
    /// What the proxy says itself in a section.
    fn push(&self, section: &str, text: &mut String) {
        match section {
            "Server" => push(text, "redis_mode:standalone"),
            "Clients" => self.push_clients(text),
            "Memory" => self.push_memory(text),
            "Persistence" => {
                push(text, "loading:0");
                push(text, "async_loading:0");
            }
            "Replication" => {
                push(text, "role:master");
                push(text, "connected_slaves:0");
            }
            "Cluster" => push(text, "cluster_enabled:0"),
            "Keyspace" => {
                let keys = self.counted.map_or(0, |counted| counted.keys);
                if keys > 0 {
                    push(text, &format!("db0:keys={keys},expires=0,avg_ttl=0"));
                }
            }
            "TenantsDB" => self.push_own(text),
            _ => {}
        }
    }

    fn push_clients(&self, text: &mut String) {
        // Writing to a string does not fail.
        let _ = write!(text, "connected_clients:{}\r\n", self.clients);
        if let Some(max) = self.clients_max {
            let _ = write!(text, "maxclients:{max}\r\n");
        }
        let _ = write!(text, "blocked_clients:{}\r\n", self.blocked);
    }

    /// The memory is an estimate, and there only where the database has a limit of it.
    fn push_memory(&self, text: &mut String) {
        if let Some(bytes) = self.counted.and_then(|counted| counted.bytes) {
            let human = human(bytes);
            let _ = write!(text, "used_memory:{bytes}\r\nused_memory_human:{human}\r\n");
        }
        let max = self.limits.memory_bytes_max.unwrap_or(0);
        let human = human(max);
        let _ = write!(text, "maxmemory:{max}\r\nmaxmemory_human:{human}\r\n");
    }

    fn push_own(&self, text: &mut String) {
        let mode = self.pool_mode.name();
        let _ = write!(text, "tenantsdb_database:{}\r\n", self.database);
        let _ = write!(text, "tenantsdb_pool_mode:{mode}\r\n");
        if let Some(counted) = self.counted {
            let age = counted.at.elapsed().as_millis();
            let _ = write!(text, "tenantsdb_keys:{}\r\n", counted.keys);
            let _ = write!(text, "tenantsdb_keys_age_ms:{age}\r\n");
        }
        if let Some(bytes) = self.counted.and_then(|counted| counted.bytes) {
            let _ = write!(text, "tenantsdb_memory_bytes:{bytes}\r\n");
        }
        let limits = [
            ("keys_max", self.limits.keys_max),
            ("memory_bytes_max", self.limits.memory_bytes_max),
            ("value_bytes_max", self.limits.value_bytes_max),
        ];
        for (name, max) in limits {
            if let Some(max) = max {
                let _ = write!(text, "tenantsdb_{name}:{max}\r\n");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, Instant, advance};

    use super::*;

    const SERVER: &[u8] = b"# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n\
        run_id:f00\r\ntcp_port:6379\r\nconfig_file:/etc/redis.conf\r\nuptime_in_seconds:5\r\n\r\n\
        # Clients\r\nconnected_clients:412\r\n\r\n\
        # Memory\r\nused_memory:99999999\r\nmaxmemory_policy:noeviction\r\n\r\n\
        # Persistence\r\nloading:0\r\nrdb_changes_since_last_save:77\r\n\r\n\
        # Replication\r\nrole:master\r\nslave0:ip=10.0.0.9\r\nmaster_replid:f00\r\n\r\n\
        # Modules\r\nmodule:name=bf,ver=1\r\n\r\n\
        # Commandstats\r\ncmdstat_get:calls=4\r\nredis_version:6\r\n\r\n\
        # Cluster\r\ncluster_enabled:0\r\n\r\n\
        # Keyspace\r\ndb0:keys=1000000,expires=7,avg_ttl=3\r\n";

    static LIMITS: Redis = Redis {
        prefix: None,
        keys_max: Some(500),
        memory_bytes_max: Some(1 << 20),
        value_bytes_max: None,
        commands: Vec::new(),
    };

    fn own(counted: Option<Counted>) -> Own<'static> {
        Own {
            database: "app__acme",
            pool_mode: PoolMode::Transaction,
            limits: &LIMITS,
            clients: 2,
            blocked: 1,
            clients_max: None,
            counted,
        }
    }

    fn text(sections: &[&[u8]], counted: Option<Counted>) -> String {
        String::from_utf8(view(SERVER, sections, &own(counted))).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_of_the_others_and_all_that_drivers_read() {
        let counted = Counted {
            keys: 12,
            bytes: Some(1536),
            at: Instant::now(),
        };
        advance(Duration::from_millis(250)).await;
        let text = text(&[], Some(counted));
        for foreign in [
            "412",
            "99999999",
            "f00",
            "6379",
            "redis.conf",
            "1000000",
            "cmdstat",
            "10.0.0.9",
            "77",
            "redis_version:6",
        ] {
            assert!(!text.contains(foreign), "{foreign}: {text}");
        }
        for line in [
            "redis_version:7.0.15",
            "redis_mode:standalone",
            "uptime_in_seconds:5",
            "connected_clients:2",
            "maxmemory_policy:noeviction",
            "used_memory:1536",
            "used_memory_human:1.50K",
            "maxmemory:1048576",
            "loading:0",
            "role:master",
            "cluster_enabled:0",
            "module:name=bf,ver=1",
            "db0:keys=12,expires=0,avg_ttl=0",
            "tenantsdb_database:app__acme",
            "tenantsdb_keys:12",
            "tenantsdb_keys_age_ms:250",
            "tenantsdb_keys_max:500",
            "tenantsdb_pool_mode:transaction",
        ] {
            assert_eq!(
                text.split("\r\n").filter(|it| *it == line).count(),
                1,
                "{line}: {text}"
            );
        }
        assert!(text.starts_with("# Server\r\n") && text.ends_with("\r\n"));
    }

    #[test]
    fn sections_are_those_that_were_asked_for() {
        assert!(text(&[b"SERVER"], None).starts_with("# Server\r\nredis_version"));
        assert!(!text(&[b"server"], None).contains("# Clients"));
        let two = text(&[b"clients", b"Keyspace"], None);
        assert_eq!(
            two,
            "# Clients\r\nconnected_clients:2\r\nblocked_clients:1\r\n\r\n# Keyspace\r\n"
        );
        assert_eq!(text(&[b"all"], None), text(&[], None));
        assert_eq!(text(&[b"commandstats"], None), "");
        assert!(wants_keys(&[b"KeySpace"]) && !wants_keys(&[b"server"]) && !wants_keys(&[]));
    }

    #[test]
    fn bytes_are_written_for_people() {
        assert_eq!(human(0), "0B");
        assert_eq!(human(1023), "1023B");
        assert_eq!(human(5 << 20), "5.00M");
        assert_eq!(human(u64::MAX), "16777215.99T");
    }
}
