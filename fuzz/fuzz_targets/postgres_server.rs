//! A stream of what a server sends.
//!
//! It is walked alike wherever it is cut; what can be written again is the same bytes; reports may
//! lack any field. Messages that are not ReadyForQuery stand for requests of a client with that
//! tag: the connection is idle only when both sides' counts agree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::postgres::pipeline::Pipeline;
use tenantsdb_codecs::postgres::report::Fields;
use tenantsdb_codecs::postgres::server::{
    BackendKeyData, CommandComplete, ParameterStatus, ReadyForQuery, TransactionStatus,
};
use tenantsdb_codecs::postgres::tag::ServerTag;
use tenantsdb_fuzz::{check_walk, frames};

fuzz_target!(|data: &[u8]| {
    check_walk(data);
    let mut pipeline = Pipeline::new();
    let (mut requests, mut replies) = (0_u64, 0_u64);
    for frame in frames(data) {
        let mut again = Vec::new();
        match ServerTag(frame.tag) {
            ServerTag::PARAMETER_STATUS => {
                if let Ok(status) = ParameterStatus::decode(frame.body) {
                    status.encode(&mut again).expect("it was read");
                }
            }
            ServerTag::BACKEND_KEY_DATA => {
                if let Ok(key) = BackendKeyData::decode(frame.body) {
                    key.encode(&mut again).expect("it was read");
                }
            }
            ServerTag::COMMAND_COMPLETE => {
                if let Ok(complete) = CommandComplete::decode(frame.body) {
                    complete.encode(&mut again).expect("it was read");
                }
            }
            ServerTag::READY_FOR_QUERY => {
                if let Ok(ready) = ReadyForQuery::decode(frame.body) {
                    ready.encode(&mut again);
                    pipeline.server_ready(ready.status);
                    replies += 1;
                }
            }
            ServerTag::ERROR_RESPONSE | ServerTag::NOTICE_RESPONSE => check_report(frame.body),
            _ => {}
        }
        assert!(again.is_empty() || again[5..] == *frame.body);
        if frame.tag != ServerTag::READY_FOR_QUERY.0 {
            pipeline.client_sent(frame.tag);
            requests += u64::from(b"QSF".contains(&frame.tag));
        }
        if pipeline.is_idle() {
            assert_eq!(requests, replies);
            assert_eq!(pipeline.status(), TransactionStatus::Idle);
        }
    }
});

fn check_report(body: &[u8]) {
    let fields = Fields::new(body);
    let _ = (fields.message(), fields.sqlstate(), fields.is_fatal());
    let read: usize = fields.iter().map(|(_, text)| text.len() + 2).sum();
    assert!(read <= body.len());
    if fields.check().is_ok() {
        assert_eq!(read + 1, body.len());
    }
}
