//! Decoding the packets that open a connection: what every login begins with.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tenantsdb_codecs::mysql::auth::{Verifier, native, sha2};
use tenantsdb_codecs::mysql::flags::Capabilities;
use tenantsdb_codecs::mysql::startup::{
    Attributes, ClientStart, HandshakeResponse, decode_client_start,
};
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

/// What a MySQL client with its attributes sends.
fn mysql_response() -> Vec<u8> {
    let mut attributes = Vec::new();
    for (name, value) in [
        ("_client_name", "libmysql"),
        ("_client_version", "9.7.4"),
        ("_os", "Linux"),
        ("_pid", "4711"),
        ("_platform", "x86_64"),
        ("program_name", "billing-worker-7"),
    ] {
        Attributes::put(name, value.as_bytes(), &mut attributes);
    }
    let response = HandshakeResponse {
        capabilities: Capabilities::PROTOCOL_41
            .union(Capabilities::CONNECT_WITH_DB)
            .union(Capabilities::PLUGIN_AUTH)
            .union(Capabilities::PLUGIN_AUTH_LENENC_DATA)
            .union(Capabilities::CONNECT_ATTRS),
        packet_bytes_max: 1 << 24,
        collation: 45,
        user: "myapp__acme",
        auth: &[7; 32],
        database: Some("myapp__acme"),
        plugin: Some("caching_sha2_password"),
        attributes: Attributes::decode(&attributes).expect("attributes"),
        zstd_level: None,
    };
    let mut packet = Vec::new();
    response
        .encode(&mut 1, &mut packet)
        .expect("a packet within its limits");
    packet.split_off(4)
}

fn mysql_benches(criterion: &mut Criterion) {
    let body = mysql_response();
    let mut group = criterion.benchmark_group("startup/mysql");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("response", |bencher| {
        bencher.iter(|| match decode_client_start(black_box(&body)) {
            Ok(ClientStart::Response(response)) => (response.database, Some(response.user)),
            _ => (None, None),
        });
    });
    group.finish();

    let nonce = *b"0123456789abcdefghij";
    let mut group = criterion.benchmark_group("startup/mysql_proof");
    if let Verifier::Native(verifier) = native::verifier(b"secret") {
        let proof = native::prove(&native::key(b"secret"), &nonce);
        group.bench_function("native", |bencher| {
            bencher.iter(|| native::check(black_box(&verifier), &nonce, &proof).is_some());
        });
    }
    if let Verifier::Sha2(verifier) = sha2::verifier(b"secret") {
        let proof = sha2::prove(&sha2::key(b"secret"), &nonce);
        group.bench_function("sha2", |bencher| {
            bencher.iter(|| sha2::check(black_box(&verifier), &nonce, &proof).is_some());
        });
    }
    group.finish();
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

criterion_group!(startup, benches, mysql_benches);
criterion_main!(startup);
