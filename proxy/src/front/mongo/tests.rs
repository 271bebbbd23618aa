use std::time::Duration;

use tenantsdb_codecs::mongo::frame::{HEADER_LENGTH, Header, MESSAGE_BYTES_MAX};
use tenantsdb_codecs::mongo::op_msg::{self, Flags, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::fake::mongo::{Server, connect, route};
use crate::fake::{self};
use crate::listener::Door;
use tenantsdb_codecs::mongo::auth::{SaslReply, client};
use tenantsdb_codecs::mongo::bson::{Document, Writer};
use tenantsdb_codecs::scram::Credential;

/// A core in front of a server, and the address of the core.
async fn stage() -> (Server, Rc<Core>, SocketAddr) {
    let (server, server_addr) = Server::start().await;
    let mut config = fake::config();
    config.handshake_timeout = Duration::from_millis(500);
    let core = Core::new(fake::context(config));
    fake::put(&core.context, route(server_addr, "app"));
    let addr = fake::listen_at(&core, Door::Mongo);
    (server, core, addr)
}

/// Sends a document as OP_MSG, and gives the document of the answer.
async fn ask(stream: &mut TcpStream, document: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    op_msg::write(7, 0, Flags::NONE, document, &mut out);
    stream.write_all(&out).await.unwrap();
    let message = answer(stream).await;
    Message::read(&message).unwrap().body.bytes().to_vec()
}

/// One whole message.
async fn answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut message = vec![0; HEADER_LENGTH];
    stream.read_exact(&mut message).await.unwrap();
    let header = Header::read(&message, MESSAGE_BYTES_MAX).unwrap().unwrap();
    assert_eq!(header.response_to, 7);
    message.resize(header.length, 0);
    let rest = &mut message[HEADER_LENGTH..];
    stream.read_exact(rest).await.unwrap();
    message
}

fn command(name: &str) -> Writer {
    let mut command = Writer::new();
    command.i32(name, 1).str("$db", "admin");
    command
}

fn code(reply: &[u8]) -> i64 {
    let document = Document::whole(reply).unwrap();
    let code = document.get("code").unwrap().unwrap();
    code.as_i64().unwrap()
}

/// The answers to a login, up to the first that fails.
async fn refused(addr: SocketAddr, user: &str, password: &str) -> (u32, Vec<u8>) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let (first, payload) = client::start(user, crate::nonce::nonce());
    let start = client::start_of(&payload, user).write();
    let reply = ask(&mut stream, &start).await;
    let reply = SaslReply::read(Document::whole(&reply).unwrap()).unwrap();
    let text = String::from_utf8(reply.payload.to_vec()).unwrap();
    let iterations = text.rsplit_once("i=").unwrap().1.parse().unwrap();
    let password = Credential::Password(password.as_bytes());
    let (last, payload) = first.first(&reply, &password).unwrap();
    let reply = ask(&mut stream, &last.next(&payload).write(user)).await;
    (iterations, reply)
}

#[test]
fn hello_says_nothing_of_the_servers_behind() {
    fake::run(async {
        let (server, _core, addr) = stage().await;
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let mut hello = command("hello");
        hello
            .str("saslSupportedMechs", "nobody.no")
            .bool("loadBalanced", true);
        let first = ask(&mut stream, &hello.finish()).await;
        let first = Document::whole(&first).unwrap();
        for absent in [
            "topologyVersion",
            "setName",
            "compression",
            "hosts",
            "me",
            "primary",
        ] {
            assert!(first.get(absent).unwrap().is_none(), "{absent}");
        }
        assert!(first.get("serviceId").unwrap().is_some());
        assert!(first.get("saslSupportedMechs").unwrap().is_some());
        let second = ask(&mut stream, &command("hello").finish()).await;
        let second = Document::whole(&second).unwrap();
        assert!(second.get("serviceId").unwrap().is_none());
        assert!(server.heard().is_empty());
    });
}

#[test]
fn what_needs_a_login_is_refused_without_one() {
    fake::run(async {
        let (server, _core, addr) = stage().await;
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let reply = ask(&mut stream, &command("listDatabases").finish()).await;
        assert_eq!(code(&reply), 13);
        let mut start = Writer::new();
        start
            .i32("saslStart", 1)
            .str("mechanism", "SCRAM-SHA-1")
            .binary("payload", 0, b"n,,n=app_dev,r=abc")
            .str("$db", "app_dev");
        assert_eq!(code(&ask(&mut stream, &start.finish()).await), 334);
        assert!(server.heard().is_empty());
    });
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_one() {
    fake::run(async {
        let (_server, _core, addr) = stage().await;
        let (_, wrong) = refused(addr, "app_dev", "wrong horse").await;
        let (_, unknown) = refused(addr, "nobody_dev", "wrong horse").await;
        assert_eq!(code(&wrong), 18);
        assert_eq!(wrong, unknown);
        connect(addr, "app_dev").await;
    });
}

#[test]
fn bytes_that_are_no_message_end_the_connection() {
    fake::run(async {
        let (_server, _core, addr) = stage().await;
        let lengths = [15, 0, -1, i32::MAX, 20_000];
        for (length, opcode) in lengths
            .map(|l| (l, 2013))
            .into_iter()
            .chain([(16, 2012), (16, 9)])
        {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            for word in [length, 7, 0, opcode] {
                stream.write_all(&word.to_le_bytes()).await.unwrap();
            }
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        }
    });
}

#[test]
fn half_a_message_is_not_waited_for() {
    fake::run(async {
        let (_server, _core, addr) = stage().await;
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(&100_i32.to_le_bytes()).await.unwrap();
        assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
    });
}
