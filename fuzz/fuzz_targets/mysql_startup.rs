//! Messages that open a connection: bodies of a greeting and of a client's first message.
//!
//! What was read, written again, is read as the same; cut short, it is refused or lacks its plugin.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::limits::MYSQL_LOGIN_BYTES_MAX;
use tenantsdb_codecs::mysql::startup::{ClientStart, Greeting, decode_client_start};
use tenantsdb_fuzz::cuts;

fuzz_target!(|data: &[u8]| {
    if let Ok(greeting) = Greeting::decode(data) {
        let (mut again, mut sequence) = (Vec::new(), 0);
        greeting
            .encode(&mut sequence, &mut again)
            .expect("it was read");
        assert_eq!(Greeting::decode(&again[4..]).as_ref(), Ok(&greeting));
    }
    let Ok(start) = decode_client_start(data) else {
        return;
    };
    assert!(data.len() <= MYSQL_LOGIN_BYTES_MAX);
    let (mut again, mut sequence) = (Vec::new(), 1);
    match &start {
        ClientStart::Ssl(request) => request.encode(&mut sequence, &mut again),
        ClientStart::Response(response) => {
            for (name, _) in response.attributes.iter() {
                let Ok(name) = std::str::from_utf8(name) else {
                    continue;
                };
                let mut values = response.attributes.iter();
                let first = values.find(|(other, _)| *other == name.as_bytes());
                assert_eq!(response.attributes.get(name), first.map(|(_, value)| value));
            }
            // A plugin that the message ends before is written as an empty one, which may be a
            // byte too many.
            if response.encode(&mut sequence, &mut again).is_err() {
                assert!(data.len() == MYSQL_LOGIN_BYTES_MAX && again.is_empty());
                return;
            }
            for cut in cuts(data.len()) {
                if let Ok(ClientStart::Response(short)) = decode_client_start(&data[..cut]) {
                    assert_eq!((short.user, short.auth), (response.user, response.auth));
                }
            }
        }
    }
    assert_eq!(sequence, 2);
    let same = decode_client_start(&again[4..]).expect("it was written");
    match (same, start) {
        (ClientStart::Response(mut same), ClientStart::Response(response)) => {
            if response.plugin.is_none() {
                same.plugin = None;
            }
            assert_eq!(same, response);
        }
        (same, start) => assert_eq!(same, start),
    }
});
