//! What a server sends behind a login, with the commands of its client.
//!
//! The first byte says which capabilities were agreed on. The rest is a stream of messages; those
//! of the client have an odd first byte of their body before the command (it is taken off), those
//! of the server an even one.
//!
//! The stream is walked alike wherever it is cut; what can be written again is the same bytes; the
//! connection is idle only when nothing is owed and nothing is unclear.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::mysql::flags::{Capabilities, Status};
use tenantsdb_codecs::mysql::pipeline::{Event, Pipeline};
use tenantsdb_codecs::mysql::report::{Report, is_progress};
use tenantsdb_codecs::mysql::server::{self, Eof, LocalInfile, PrepareOk, column_count, text_row};
use tenantsdb_fuzz::mysql::{check_walk, messages};

fuzz_target!(|data: &[u8]| {
    let Some((agreed, stream)) = data.split_first() else {
        return;
    };
    let mut capabilities = Capabilities::PROTOCOL_41;
    if agreed & 1 == 1 {
        capabilities = capabilities.union(Capabilities::DEPRECATE_EOF);
    }
    if agreed & 2 == 2 {
        capabilities = capabilities.union(Capabilities::MARIADB_PROGRESS);
    }
    let mut pipeline = Pipeline::new(capabilities);
    let (mut commands, mut replies) = (0_u64, 0_u64);
    let starts = check_walk(stream);
    for (_, _, packet_bytes, start) in &starts {
        let Some((side, start)) = start.split_first() else {
            continue;
        };
        let packet_bytes = packet_bytes - 1;
        if side & 1 == 0 {
            match pipeline.reply(start, packet_bytes) {
                Ok(Event::Result { last, .. }) => replies += u64::from(last),
                Ok(Event::Part | Event::FileRequest) => {}
                Err(_) => assert!(pipeline.is_unclear()),
            }
        } else if pipeline.expects_file() {
            pipeline.file_data(packet_bytes);
        } else {
            let before = pipeline.owed();
            let _ = pipeline.command(start);
            commands += pipeline.owed() - before;
        }
        if pipeline.is_idle() {
            assert_eq!(commands, replies);
            assert!(!pipeline.is_unclear() && !pipeline.may_be_at_work());
            assert!(!pipeline.status().contains(Status::IN_TRANS));
        }
        if !pipeline.is_unclear() {
            assert_eq!(pipeline.owed(), commands - replies);
        }
    }
    for message in messages(stream, &starts) {
        if let Some((_, body)) = message.body.split_first() {
            check(body);
        }
    }
});

fn check(body: &[u8]) {
    let (mut again, mut sequence) = (Vec::new(), 0);
    if let Ok(ok) = server::Ok::decode(body) {
        ok.encode(&mut sequence, &mut again);
        assert_eq!(server::Ok::decode(&again[4..]), Ok(ok));
        again.clear();
        ok.encode_end_of_rows(&mut sequence, &mut again);
        assert_eq!(server::Ok::decode(&again[4..]), Ok(ok));
        again.clear();
    }
    if let Ok(eof) = Eof::decode(body) {
        eof.encode(&mut sequence, &mut again);
    } else if let Ok(file) = LocalInfile::decode(body) {
        file.encode(&mut sequence, &mut again);
    }
    assert!(again.is_empty() || again[4..] == *body);
    again.clear();
    if let Ok(prepared) = PrepareOk::decode(body) {
        prepared.encode(&mut sequence, &mut again);
        assert_eq!(PrepareOk::decode(&again[4..]), Ok(prepared));
        again.clear();
    }
    if let Ok(report) = Report::decode(body) {
        assert!(Report::is(body));
        report.encode(&mut sequence, &mut again);
        let same = Report::decode(&again[4..]).expect("it was written");
        assert_eq!((same.code, same.sqlstate), (report.code, report.sqlstate));
        assert!(report.message.starts_with(same.message));
        let _ = report.text();
    }
    let _ = (is_progress(body), column_count(body));
    let mut broken = false;
    let mut bytes = 0;
    for value in text_row(body) {
        assert!(!broken, "an error is the last");
        match value {
            Ok(value) => bytes += 1 + value.map_or(0, <[u8]>::len),
            Err(_) => broken = true,
        }
    }
    assert!(bytes <= body.len());
}
