//! A PostgreSQL client.

use std::net::SocketAddr;

use tenantsdb_codecs::postgres::auth::{self, Request};
use tenantsdb_codecs::postgres::client::encode_query;
use tenantsdb_codecs::postgres::frame::frame;
use tenantsdb_codecs::postgres::report::Fields;
use tenantsdb_codecs::postgres::server::{BackendKeyData, CommandComplete};
use tenantsdb_codecs::postgres::startup::{self, ProtocolVersion};
use tenantsdb_codecs::scram::{self, Credential};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{DATABASE, PASSWORD};
use crate::inbox::Inbox;
use crate::nonce::nonce;

/// A client whose session has begun.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) inbox: Inbox,
    pub(crate) key: (i32, Vec<u8>),
    /// Tags of the messages between AuthenticationOk and the first ReadyForQuery, that included.
    pub(crate) greeting: String,
}

/// What an ErrorResponse says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) sqlstate: String,
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl Failed {
    fn read(body: &[u8]) -> Self {
        let fields = Fields::new(body);
        fields.check().unwrap();
        let text = |code| fields.get(code).unwrap_or_default().to_owned();
        Self {
            sqlstate: text(b'C'),
            message: text(b'M'),
            hint: text(b'H'),
        }
    }
}

/// Logs in as the tenant, with more parameters.
pub(crate) async fn connect(
    addr: SocketAddr,
    parameters: &[(&str, &str)],
) -> Result<Client, Failed> {
    let names = [("user", DATABASE), ("database", DATABASE)];
    let all: Vec<_> = names.iter().chain(parameters).copied().collect();
    connect_as(addr, &all, PASSWORD, b"").await
}

/// Logs in and sends `early` in the same segment as the last message of the login.
pub(crate) async fn connect_as(
    addr: SocketAddr,
    parameters: &[(&str, &str)],
    password: &[u8],
    early: &[u8],
) -> Result<Client, Failed> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut out = Vec::new();
    startup::encode_startup(ProtocolVersion::V3_0, parameters.iter().copied(), &mut out).unwrap();
    stream.write_all(&out).await.unwrap();
    let mut client = Client {
        stream,
        inbox: Inbox::default(),
        key: (0, Vec::new()),
        greeting: String::new(),
    };
    let (exchange, first) = scram::client::Exchange::new(nonce(), None);
    client.expect(b'R').await?;
    out.clear();
    auth::encode_sasl_initial(exchange.mechanism(), &first, &mut out).unwrap();
    client.stream.write_all(&out).await.unwrap();
    let body = client.expect(b'R').await?;
    let Request::SaslContinue(data) = auth::decode_request(&body).unwrap() else {
        panic!("{body:?}");
    };
    let (exchange, last) = exchange
        .first(data, &Credential::Password(password))
        .unwrap();
    out.clear();
    auth::encode_sasl_response(&last, &mut out).unwrap();
    out.extend_from_slice(early);
    client.stream.write_all(&out).await.unwrap();
    let body = client.expect(b'R').await?;
    let Request::SaslFinal(data) = auth::decode_request(&body).unwrap() else {
        panic!("{body:?}");
    };
    exchange.finish(data).unwrap();
    client.expect(b'R').await?;
    loop {
        let (tag, body) = client.message().await.expect("the greeting goes on");
        client.greeting.push(char::from(tag));
        match tag {
            b'K' => {
                let key = BackendKeyData::decode(&body).unwrap();
                client.key = (key.pid, key.secret.to_vec());
            }
            b'E' => return Err(Failed::read(&body)),
            b'Z' => return Ok(client),
            _ => {}
        }
    }
}

impl Client {
    /// The next message; `None` at the end.
    pub(crate) async fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        match self.inbox.message(&mut self.stream, 1 << 20).await {
            Ok(message) => Some((message.tag, message.body.to_vec())),
            Err(_) => None,
        }
    }

    async fn expect(&mut self, tag: u8) -> Result<Vec<u8>, Failed> {
        match self.message().await.expect("there is an answer") {
            (other, body) if other == tag => Ok(body),
            (b'E', body) => Err(Failed::read(&body)),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn send_query(&mut self, text: &str) {
        let mut out = Vec::new();
        encode_query(text, &mut out).unwrap();
        self.stream.write_all(&out).await.unwrap();
    }

    /// Runs a statement; answers the command tag.
    pub(crate) async fn query(&mut self, text: &str) -> Result<String, Failed> {
        self.send_query(text).await;
        self.answer().await
    }

    /// The answer to one statement, up to ReadyForQuery or the end.
    pub(crate) async fn answer(&mut self) -> Result<String, Failed> {
        let mut answer = Err(Failed {
            sqlstate: "closed".to_owned(),
            message: String::new(),
            hint: String::new(),
        });
        while let Some((tag, body)) = self.message().await {
            match tag {
                b'C' => answer = Ok(CommandComplete::decode(&body).unwrap().tag.to_owned()),
                b'E' => answer = Err(Failed::read(&body)),
                b'Z' => break,
                _ => {}
            }
        }
        answer
    }

    /// Says goodbye and waits until the proxy has closed.
    pub(crate) async fn leave(mut self) {
        self.stream.write_all(b"X\0\0\0\x04").await.unwrap();
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
        assert!(frame(&rest, 1 << 20).unwrap().is_none(), "{rest:?}");
    }
}
