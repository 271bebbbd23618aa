//! Packets of the startup family.
//!
//! More bytes never change an answer; what was read, written again, is read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::limits::STARTUP_BYTES_MAX;
use tenantsdb_codecs::postgres::startup::{
    StartupPacket, decode, encode_cancel, encode_ssl_request, encode_startup,
};
use tenantsdb_fuzz::cuts;

fuzz_target!(|data: &[u8]| {
    let whole = decode(data);
    for cut in cuts(data.len()) {
        let part = decode(&data[..cut]);
        assert!(part == Ok(None) || part == whole, "cut at {cut}");
    }
    let Ok(Some((packet, taken))) = whole else {
        return;
    };
    assert!(taken <= data.len() && taken <= 4 + STARTUP_BYTES_MAX);
    let mut again = Vec::new();
    match &packet {
        StartupPacket::Ssl => encode_ssl_request(&mut again),
        StartupPacket::GssEnc => return,
        StartupPacket::Cancel { pid, secret } => {
            encode_cancel(*pid, secret, &mut again).expect("it was read");
        }
        StartupPacket::Startup(startup) => {
            for (name, _) in startup.parameters.iter() {
                let last = startup
                    .parameters
                    .iter()
                    .filter(|(other, _)| *other == name);
                let last = last.last().map(|(_, value)| value);
                assert_eq!(startup.parameters.get(name), last);
            }
            encode_startup(startup.version, startup.parameters.iter(), &mut again)
                .expect("it was read");
        }
    }
    assert_eq!(again, data[..taken]);
    assert_eq!(decode(&again), Ok(Some((packet, taken))));
});
