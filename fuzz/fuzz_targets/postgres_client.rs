//! A stream of what a client sends behind its startup packet.
//!
//! It is walked alike wherever it is cut; what can be written again is the same bytes; the books of
//! the pipeline are those of a count.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::postgres::client::{
    Bind, Close, Describe, Execute, Parse, Query, encode_query,
};
use tenantsdb_codecs::postgres::pipeline::Pipeline;
use tenantsdb_codecs::postgres::server::TransactionStatus;
use tenantsdb_codecs::postgres::tag::ClientTag;
use tenantsdb_fuzz::{check_walk, frames, walk};

fuzz_target!(|data: &[u8]| {
    check_walk(data);
    for frame in frames(data) {
        match ClientTag(frame.tag) {
            ClientTag::QUERY => {
                if let Ok(query) = Query::decode(frame.body) {
                    let mut again = Vec::new();
                    encode_query(query.text, &mut again).expect("it was read");
                    assert_eq!(again[5..], *frame.body);
                }
            }
            ClientTag::PARSE => {
                if let Ok(parse) = Parse::decode(frame.body) {
                    let head = format!("{}\0{}\0", parse.statement, parse.text);
                    assert!(frame.body.starts_with(head.as_bytes()));
                }
            }
            ClientTag::BIND => {
                if let Ok(bind) = Bind::decode(frame.body) {
                    let head = format!("{}\0{}\0", bind.portal, bind.statement);
                    assert!(frame.body.starts_with(head.as_bytes()));
                }
            }
            ClientTag::EXECUTE => drop(Execute::decode(frame.body)),
            ClientTag::DESCRIBE => drop(Describe::decode(frame.body)),
            ClientTag::CLOSE => drop(Close::decode(frame.body)),
            _ => {}
        }
    }

    let mut pipeline = Pipeline::new();
    let mut requests = 0;
    for (_, header) in walk([data]).0 {
        pipeline.client_sent(header.tag);
        requests += u64::from(b"QSF".contains(&header.tag));
        assert_eq!(pipeline.owed(), requests);
        assert!(requests == 0 || !pipeline.is_idle());
    }
    for _ in 0..requests {
        assert!(!pipeline.is_idle());
        pipeline.server_ready(TransactionStatus::Idle);
    }
    assert_eq!(pipeline.owed(), 0);
    // One more than was asked for: never trusted again.
    pipeline.server_ready(TransactionStatus::Idle);
    assert!(pipeline.is_unclear() && !pipeline.is_idle());
});
