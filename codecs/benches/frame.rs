//! Walking the headers of results: what relaying costs for each message that passes.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tenantsdb_codecs::postgres::frame::Walk;
use tenantsdb_codecs::postgres::server::{CommandComplete, ReadyForQuery, TransactionStatus};

/// The reply to a query: a RowDescription of six columns, rows, CommandComplete, ReadyForQuery.
fn result(rows: usize, row_bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut message = |tag: u8, body: &[u8]| {
        let length = u32::try_from(body.len() + 4).expect("a short body");
        out.push(tag);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(body);
    };
    message(b'T', &[b'c'; 150]);
    for _ in 0..rows {
        message(b'D', &vec![b'x'; row_bytes]);
    }
    let tag = format!("SELECT {rows}");
    CommandComplete { tag: &tag }
        .encode(&mut out)
        .expect("a tag without zero bytes");
    let status = TransactionStatus::Idle;
    ReadyForQuery { status }.encode(&mut out);
    out
}

/// Counts the messages of a stream that comes in chunks of this size.
fn count(stream: &[u8], chunk_bytes: usize) -> usize {
    let mut walk = Walk::new();
    let mut headers = 0;
    for mut chunk in stream.chunks(chunk_bytes) {
        while let Ok((taken, header)) = walk.step(chunk) {
            headers += usize::from(header.is_some());
            chunk = chunk.get(taken..).unwrap_or_default();
            if chunk.is_empty() {
                break;
            }
        }
    }
    headers
}

fn benches(criterion: &mut Criterion) {
    const READ_BYTES: usize = 65_536;
    let mut group = criterion.benchmark_group("frame/walk");
    for (name, rows, row_bytes) in [
        ("1_row_of_100_bytes", 1, 100),
        ("1000_rows_of_100_bytes", 1_000, 100),
        ("1000_rows_of_8_bytes", 1_000, 8),
        ("10_rows_of_64_kB", 10, 65_536),
    ] {
        let stream = result(rows, row_bytes);
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(name),
            &stream,
            |bencher, stream| {
                bencher.iter(|| count(black_box(stream), READ_BYTES));
            },
        );
    }
    group.finish();
}

criterion_group!(frame, benches);
criterion_main!(frame);
