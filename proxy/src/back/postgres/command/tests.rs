use tokio::io::{AsyncReadExt, DuplexStream, duplex};

use super::*;
use crate::back::postgres::{CancelKey, Parameters};
use crate::stream::Stream;

/// Resets a connection whose server answers with `answer` and closes.
async fn reset(answer: &[u8]) -> (Result<(), Error>, Connection<DuplexStream>) {
    let (near, mut far) = duplex(4096);
    let mut connection = Connection {
        stream: Stream::Plain(near),
        parameters: Parameters::default(),
        key: CancelKey {
            pid: 7,
            secret: Box::from(*b"abcd"),
        },
    };
    let server = async {
        let mut asked = [0; 17];
        far.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"Q\0\0\0\x10DISCARD ALL\0");
        far.write_all(answer).await.unwrap();
        drop(far);
    };
    let (done, ()) = tokio::join!(connection.reset(), server);
    (done, connection)
}

const DONE: &[u8] = b"C\0\0\0\x10DISCARD ALL\0";
const READY: &[u8] = b"Z\0\0\0\x05I";

#[tokio::test]
async fn a_reset_is_confirmed_by_its_tag_and_an_idle_server() {
    let settings = b"N\0\0\0\x05\0S\0\0\0\x08a\x002\0A\0\0\0\x0b\0\0\0\x07x\0\0";
    let (done, connection) = reset(&[settings, DONE, READY].concat()).await;
    done.unwrap();
    assert_eq!(connection.parameters.get("a"), Some("2"));
}

#[tokio::test]
async fn anything_else_is_no_confirmation() {
    let scripts: [&[u8]; 10] = [
        b"",
        DONE,
        READY,
        &[READY, DONE].concat(),
        &[DONE, b"Z\0\0\0\x05T"].concat(),
        &[DONE, DONE, READY].concat(),
        &[DONE, READY, b"N"].concat(),
        &[b"C\0\0\0\x08SET\0", READY].concat(),
        &[b"D\0\0\0\x06\0\0", DONE, READY].concat(),
        &[b"E\0\0\0\x0cC57014\0\0", READY].concat(),
    ];
    for script in scripts {
        assert!(reset(script).await.0.is_err(), "{}", script.escape_ascii());
    }
}

#[test]
fn a_literal_means_the_same_under_every_setting() {
    assert_eq!(ascii_literal("psql"), "E'psql'");
    assert_eq!(ascii_literal(r"a'b\"), r"E'a''b\\'");
    // As in the server, each byte that is not printable ASCII.
    assert_eq!(ascii_literal("é\n"), "E'???'");
}
