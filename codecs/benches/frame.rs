//! Walking the headers of results: what relaying costs for each message that passes. With MySQL
//! that is the walk and the books of the reply, since no header says what a message is; with Redis
//! it is the scan of requests, and the rewriting of replies; with MongoDB new numbers in the
//! header, the layout of sections, the checksum, and the outline of a reply.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tenantsdb_codecs::mongo::bson::{DEPTH_MAX, Writer, validate};
use tenantsdb_codecs::mongo::frame::MESSAGE_BYTES_MAX;
use tenantsdb_codecs::mongo::op_msg::{Crc32c, Flags, Head, Opening, Passing, Stream, write_with};
use tenantsdb_codecs::mysql;
use tenantsdb_codecs::mysql::flags::Capabilities;
use tenantsdb_codecs::mysql::pipeline::{Event, Pipeline};
use tenantsdb_codecs::postgres::frame::Walk;
use tenantsdb_codecs::postgres::server::{CommandComplete, ReadyForQuery, TransactionStatus};
use tenantsdb_codecs::redis;
use tenantsdb_codecs::redis::client::{Bounds, Scan, Scanned};
use tenantsdb_codecs::redis::reply::{Rewriter, Shape};

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

/// Requests of three arguments each, the last of this length.
fn redis_requests(requests: usize, value_bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..requests {
        redis::server::command(
            &[b"SET", b"key:000000000000", &vec![b'x'; value_bytes]],
            &mut out,
        );
    }
    out
}

/// Counts the arguments of requests.
fn scan(stream: &[u8]) -> usize {
    let mut scan = Scan::default();
    let (mut rest, mut args) = (stream, 0);
    while let Ok(Scanned::Whole { bytes }) = scan.resume(rest, &Bounds::AFTER_AUTH) {
        args += scan.len();
        scan.reset();
        rest = rest.get(bytes..).unwrap_or_default();
    }
    args
}

/// Rewrites replies that come in chunks of this size, out to a buffer; answers how many.
fn rewrite(stream: &[u8], shape: &Shape, chunk_bytes: usize, out: &mut Vec<u8>) -> usize {
    let mut rewriter = Rewriter::default();
    let mut replies = 0;
    out.clear();
    for mut chunk in stream.chunks(chunk_bytes) {
        while !chunk.is_empty() {
            let mut sink = redis::sink::Copy::new(chunk, out);
            let fed = rewriter.feed(shape, b"acme:", chunk, &mut sink);
            let fed = fed.expect("a reply");
            replies += usize::from(fed.done);
            chunk = chunk.get(fed.consumed..).unwrap_or_default();
        }
    }
    replies
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

fn redis_benches(criterion: &mut Criterion) {
    const READ_BYTES: usize = 65_536;
    let mut group = criterion.benchmark_group("frame/redis_scan");
    for (name, requests, value_bytes) in [
        ("16_requests_of_3_bytes", 16, 3),
        ("16_requests_of_1_kB", 16, 1_024),
        ("1_request_of_1_MB", 1, 1_048_576),
    ] {
        let stream = redis_requests(requests, value_bytes);
        assert_eq!(scan(&stream), 3 * requests);
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(name),
            &stream,
            |bencher, stream| bencher.iter(|| scan(black_box(stream))),
        );
    }
    group.finish();

    let mut group = criterion.benchmark_group("frame/redis_rewrite");
    let value = |bytes: usize| {
        let mut out = Vec::new();
        redis::server::bulk(&vec![b'x'; bytes], &mut out);
        out
    };
    let mut keys = b"*1000\r\n".to_vec();
    keys.extend(b"$21\r\nacme:key:000000000000\r\n".repeat(1_000));
    let popped = b"*2\r\n$6\r\nacme:q\r\n$3\r\nxxx\r\n".repeat(16);
    for (name, shape, stream) in [
        ("16_values_of_3_bytes", Shape::Plain, value(3).repeat(16)),
        ("16_values_of_1_kB", Shape::Plain, value(1_024).repeat(16)),
        ("1_value_of_1_MB", Shape::Plain, value(1_048_576)),
        ("16_keys_with_values", Shape::FirstIsKey, popped),
        ("1000_keys", Shape::Keys, keys),
    ] {
        let mut out = Vec::new();
        assert!(rewrite(&stream, &shape, READ_BYTES, &mut out) > 0);
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(name),
            &stream,
            |bencher, stream| {
                bencher.iter(|| rewrite(black_box(stream), &shape, READ_BYTES, &mut out));
            },
        );
    }
    group.finish();
}

/// An insert of so many documents, each with a text of so many bytes.
fn mongo_insert(documents: usize, text_bytes: usize, checksum_present: bool) -> Vec<u8> {
    let mut body = Writer::new();
    body.str("insert", "users").str("$db", "myapp__acme");
    let mut document = Writer::new();
    document
        .object_id("_id", [7; 12])
        .str("name", &"x".repeat(text_bytes));
    let documents = vec![document.finish(); documents];
    let flags = Flags {
        checksum_present,
        ..Flags::NONE
    };
    let mut out = Vec::new();
    let sequences = [("documents", &documents[..])];
    write_with(1, 0, flags, &body.finish(), &sequences, &mut out);
    out
}

/// The reply to a find: so many documents, each with a text of so many bytes.
fn mongo_batch(documents: usize, text_bytes: usize) -> Vec<u8> {
    let text = "x".repeat(text_bytes);
    let mut body = Writer::new();
    body.document("cursor", |cursor| {
        cursor.array("firstBatch", |array| {
            for _ in 0..documents {
                array.document(|document| {
                    document.object_id("_id", [7; 12]).str("name", &text);
                });
            }
        });
        cursor.i64("id", 0).str("ns", "myapp__acme.users");
    });
    body.f64("ok", 1.0);
    let mut out = Vec::new();
    write_with(1, 1, Flags::NONE, &body.finish(), &[], &mut out);
    out
}

/// Passes a request on in chunks of this size; answers the documents in it.
fn mongo_pass(message: &mut [u8], chunk_bytes: usize) -> u64 {
    let opening = Opening::read(message, MESSAGE_BYTES_MAX).expect("a message");
    let head = Head::from(&opening.expect("it is whole"));
    let mut stream = Stream::start(message, head, 1, 0);
    let rest = message.get_mut(head.bytes..).unwrap_or_default();
    for chunk in rest.chunks_mut(chunk_bytes) {
        stream.step(chunk).expect("sections");
    }
    stream.sequences().iter().map(|found| found.documents).sum()
}

/// Passes a reply on in chunks of this size; answers whether it is a good one.
fn mongo_pass_reply(message: &mut [u8], chunk_bytes: usize) -> bool {
    let head = Head::read(message, MESSAGE_BYTES_MAX).expect("a message");
    let head = head.expect("it is whole");
    let mut passing = Passing::start(message, head, 1, 1);
    let rest = message.get_mut(head.bytes..).unwrap_or_default();
    for chunk in rest.chunks_mut(chunk_bytes) {
        passing.step(chunk).expect("a body");
    }
    let outline = passing.outline().expect("it has come");
    matches!(outline.get("ok"), Ok(Some(ok)) if ok.truthy())
}

fn mongo_benches(criterion: &mut Criterion) {
    const READ_BYTES: usize = 65_536;
    let mut group = criterion.benchmark_group("frame/mongo_request");
    for (name, documents, text_bytes, checksum) in [
        ("1_document_of_100_bytes", 1, 100, false),
        ("1000_documents_of_100_bytes", 1_000, 100, false),
        ("1000_documents_of_100_bytes_checksum", 1_000, 100, true),
        ("10_documents_of_64_kB", 10, 65_536, false),
        ("10_documents_of_64_kB_checksum", 10, 65_536, true),
    ] {
        let mut message = mongo_insert(documents, text_bytes, checksum);
        assert_eq!(mongo_pass(&mut message, READ_BYTES), documents as u64);
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| mongo_pass(black_box(&mut message), READ_BYTES));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("frame/mongo_reply");
    for (name, documents, text_bytes) in [
        ("1_document_of_100_bytes", 1, 100),
        ("1000_documents_of_100_bytes", 1_000, 100),
        ("10_documents_of_64_kB", 10, 65_536),
    ] {
        let mut message = mongo_batch(documents, text_bytes);
        assert!(mongo_pass_reply(&mut message, READ_BYTES));
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| mongo_pass_reply(black_box(&mut message), READ_BYTES));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("frame/mongo_whole");
    let message = mongo_batch(1_000, 100);
    let body = message.get(21..).unwrap_or_default();
    group.throughput(Throughput::Bytes(message.len() as u64));
    group.bench_function("validate", |bencher| {
        bencher.iter(|| validate(black_box(body), DEPTH_MAX));
    });
    group.bench_function("checksum", |bencher| {
        bencher.iter(|| Crc32c::of(black_box(body)));
    });
    group.finish();
}

criterion_group!(frame, benches, redis_benches, mongo_benches);
criterion_main!(frame);
