//! Decoding the packets that open a connection: what every login begins with.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tenantsdb_codecs::postgres::startup::{
    ProtocolVersion, StartupPacket, decode, encode_cancel, encode_ssl_request, encode_startup,
};

/// What psql 15 sends.
const PSQL: &[u8] = include_bytes!("../testdata/postgres/startup_psql.bin");

/// What an application with a driver that sets everything sends.
fn driver() -> Vec<u8> {
    let parameters = [
        ("user", "myapp__acme"),
        ("database", "myapp__acme"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO"),
        ("TimeZone", "Europe/Berlin"),
        ("extra_float_digits", "2"),
        ("application_name", "billing-worker-7"),
        ("options", "-c statement_timeout=30s -c search_path=public"),
    ];
    let mut packet = Vec::new();
    encode_startup(ProtocolVersion::V3_0, parameters.into_iter(), &mut packet)
        .expect("a packet within its limits");
    packet
}

fn benches(criterion: &mut Criterion) {
    let mut ssl_request = Vec::new();
    encode_ssl_request(&mut ssl_request);
    let mut cancel = Vec::new();
    encode_cancel(4711, &[7; 32], &mut cancel).expect("a secret of an allowed length");

    let mut group = criterion.benchmark_group("startup/decode");
    for (name, packet) in [
        ("ssl_request", ssl_request),
        ("cancel", cancel),
        ("psql", PSQL.to_vec()),
        ("driver", driver()),
    ] {
        group.throughput(Throughput::Bytes(packet.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| decode(black_box(&packet))));
    }
    group.finish();

    let packet = driver();
    criterion.bench_function("startup/route_key", |bencher| {
        bencher.iter(|| match decode(black_box(&packet)) {
            Ok(Some((StartupPacket::Startup(startup), _))) => (
                startup.parameters.get("database"),
                startup.parameters.get("user"),
            ),
            _ => (None, None),
        });
    });
}

criterion_group!(startup, benches);
criterion_main!(startup);
