//! Walking the headers of results: what relaying costs for each message that passes. With MySQL
//! that is the walk and the books of the reply, since no header says what a message is.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tenantsdb_codecs::mysql;
use tenantsdb_codecs::mysql::flags::Capabilities;
use tenantsdb_codecs::mysql::pipeline::{Event, Pipeline};
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

/// The reply to a query of a client without EOF packets: six columns, rows, OK.
fn mysql_result(rows: usize, row_bytes: usize) -> Vec<u8> {
    let (mut out, mut sequence) = (Vec::new(), 1);
    let mut message = |body: &[u8]| {
        let mut packet = mysql::frame::Packet::new(&mut sequence, &mut out);
        packet.bytes(body);
        packet.finish();
    };
    message(&[6]);
    for _ in 0..6 {
        message(b"\x03def\x05myapp\x01t\x01t\x04name\x04name\x0c-\0P\0\0\0\xfd\0\0\0\0\0");
    }
    for _ in 0..rows {
        message(&vec![b'x'; row_bytes]);
    }
    message(b"\xfe\0\0\x02\0\0\0");
    out
}

/// Follows a stream that comes in chunks of this size; answers its results.
fn follow(stream: &[u8], chunk_bytes: usize) -> usize {
    let mut pipeline = Pipeline::new(Capabilities::DEPRECATE_EOF);
    let mut walk = mysql::frame::Walk::new();
    let mut results = 0;
    pipeline.command(b"\x03SELECT").expect("a command");
    for mut chunk in stream.chunks(chunk_bytes) {
        while let Ok((taken, start)) = walk.step(chunk) {
            if let Some(start) = start {
                let event = pipeline.reply(start.body, start.packet_bytes);
                results += usize::from(matches!(event, Ok(Event::Result { .. })));
            }
            chunk = chunk.get(taken..).unwrap_or_default();
            if chunk.is_empty() {
                break;
            }
        }
    }
    results
}

const SHAPES: [(&str, usize, usize); 4] = [
    ("1_row_of_100_bytes", 1, 100),
    ("1000_rows_of_100_bytes", 1_000, 100),
    ("1000_rows_of_8_bytes", 1_000, 8),
    ("10_rows_of_64_kB", 10, 65_536),
];

fn benches(criterion: &mut Criterion) {
    const READ_BYTES: usize = 65_536;
    let mut group = criterion.benchmark_group("frame/walk");
    for (name, rows, row_bytes) in SHAPES {
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

    let mut group = criterion.benchmark_group("frame/mysql_walk_and_books");
    for (name, rows, row_bytes) in SHAPES {
        let stream = mysql_result(rows, row_bytes);
        assert_eq!(follow(&stream, READ_BYTES), 1);
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(name),
            &stream,
            |bencher, stream| {
                bencher.iter(|| follow(black_box(stream), READ_BYTES));
            },
        );
    }
    group.finish();
}

criterion_group!(frame, benches);
criterion_main!(frame);
