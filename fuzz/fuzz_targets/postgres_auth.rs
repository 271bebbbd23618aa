//! Bodies of authentication messages, of both sides: whatever is read is written again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::postgres::auth::{
    Request, decode_request, decode_sasl_initial, encode_ok, encode_sasl, encode_sasl_continue,
    encode_sasl_final, encode_sasl_initial,
};

fuzz_target!(|data: &[u8]| {
    if let Ok(request) = decode_request(data) {
        let mut again = Vec::new();
        let written = match request {
            Request::Ok => {
                encode_ok(&mut again);
                Ok(())
            }
            Request::Sasl(mechanisms) => {
                let names: Vec<&str> = mechanisms.iter().collect();
                assert!(names.iter().all(|name| mechanisms.contains(name)));
                encode_sasl(&names, &mut again)
            }
            Request::SaslContinue(message) => encode_sasl_continue(message, &mut again),
            Request::SaslFinal(message) => encode_sasl_final(message, &mut again),
            Request::CleartextPassword | Request::Md5Password { .. } | Request::Unsupported(_) => {
                return;
            }
        };
        assert_eq!(written, Ok(()));
        assert_eq!(again[5..], *data);
    }
    if let Ok(initial) = decode_sasl_initial(data) {
        let mut again = Vec::new();
        encode_sasl_initial(initial.mechanism, initial.data, &mut again).expect("it was read");
        assert_eq!(again[5..], *data);
    }
});
