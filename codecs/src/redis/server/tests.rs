use super::super::value::{Value, value};
use super::*;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn what_resp2_lacks_is_written_as_the_server_does() {
    use Protocol::{Resp2, Resp3};
    for (protocol, expected) in [
        (Resp2, "$-1|*-1|*4|*2|*3|:1|:0|$2|hi|"),
        (Resp3, "_|_|%2|~2|>3|#t|#f|=6|txt:hi|"),
    ] {
        let text = written(|out| {
            null(protocol, out);
            null_array(protocol, out);
            map(2, protocol, out);
            set(2, protocol, out);
            push(3, protocol, out);
            boolean(true, protocol, out);
            boolean(false, protocol, out);
            verbatim(b"hi", protocol, out);
        });
        assert_eq!(text.replace("\r\n", "|"), expected);
        assert_eq!(Protocol::of_number(protocol.number()), Some(protocol));
    }
    assert_eq!(Protocol::of_number(4), None);
}

#[test]
fn scalars_are_read_again() {
    let text = written(|out| {
        simple("OK\r\nx", out);
        integer(i64::MIN, out);
        bulk(b"a\r\nb", out);
        array(0, out);
    });
    let mut rest = text.as_bytes();
    for expected in [
        Value::Simple(b"OK"),
        Value::Integer(i64::MIN),
        Value::Bulk(b"a\r\nb"),
        Value::Array(vec![]),
    ] {
        let (found, bytes) = value(rest).unwrap().unwrap();
        assert_eq!(found, expected);
        rest = &rest[bytes..];
    }
    assert!(rest.is_empty());
}

#[test]
fn a_request_is_an_array_of_strings() {
    let text = written(|out| command(&[b"SET", b"k", b""], out));
    assert_eq!(text, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
}
