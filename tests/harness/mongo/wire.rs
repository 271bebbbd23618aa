//! A connection of which a test sees every message.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::path::Path;

use mongodb::bson::{Document, doc};

use super::database::Failed;
use super::login::{Answer, Scram};
use super::message::{self, MSG, REPLY};
use crate::stream::Stream;

/// Longer than any message of the tests.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A reply as it came.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its own id.
    pub id: i32,
    /// The id of the request that it answers.
    pub response_to: i32,
    /// Flags of OP_MSG; 0 for OP_REPLY.
    pub flags: u32,
    /// Its document.
    pub document: Document,
}

/// A login whose proof is still to be sent.
pub struct Begun {
    answer: Answer,
    conversation: i32,
    database: String,
}

/// An open connection.
pub struct Wire {
    stream: Stream,
    next: i32,
}

impl Wire {
    /// Connects in the clear. Nothing is sent.
    ///
    /// # Errors
    ///
    /// Nobody listens.
    pub fn connect(address: &str) -> io::Result<Self> {
        Ok(Self {
            stream: Stream::connect(address)?,
            next: 1000,
        })
    }

    /// Connects over TLS, with the certificate checked.
    ///
    /// # Errors
    ///
    /// The connection's or the certificate's.
    pub fn connect_tls(address: &str, ca: &Path) -> io::Result<Self> {
        let stream = Stream::connect(address)?.encrypt(ca)?;
        Ok(Self { stream, next: 1000 })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// The connection's.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends nothing more.
    pub fn end(&mut self) {
        let _ = self.stream.socket().shutdown(Shutdown::Write);
    }

    /// Sends a message with this body; its id.
    ///
    /// # Panics
    ///
    /// If the connection is gone.
    pub fn send_as(&mut self, opcode: i32, body: &[u8]) -> i32 {
        self.next += 1;
        let message = message::message(self.next, opcode, body);
        self.write(&message).expect("the connection is open");
        self.next
    }

    /// Sends a command with flags; its id.
    ///
    /// # Panics
    ///
    /// If the connection is gone.
    pub fn send(&mut self, flags: u32, command: &Document) -> i32 {
        self.send_as(MSG, &message::msg(flags, command))
    }

    /// Reads the next reply.
    ///
    /// # Errors
    ///
    /// The connection's; its end is one.
    pub fn try_read(&mut self) -> io::Result<Reply> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut header = [0; 16];
        self.stream.read_exact(&mut header)?;
        let number =
            |at: usize| i32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let length = usize::try_from(number(0)).map_err(|_| wrong("length"))?;
        if !(16..=MESSAGE_BYTES_MAX).contains(&length) {
            return Err(wrong("length"));
        }
        let mut body = vec![0; length - 16];
        self.stream.read_exact(&mut body)?;
        let (flags, skip) = match number(12) {
            MSG => (
                u32::from_le_bytes(body[..4].try_into().expect("four bytes")),
                5,
            ),
            REPLY => (0, 20),
            _ => return Err(wrong("opcode")),
        };
        let document = Document::from_reader(&body[skip..]).map_err(|e| wrong(&e.to_string()))?;
        Ok(Reply {
            id: number(4),
            response_to: number(8),
            flags,
            document,
        })
    }

    /// Reads the reply to a request.
    ///
    /// # Panics
    ///
    /// If none comes, or that of another request.
    #[track_caller]
    pub fn read(&mut self, id: i32) -> Document {
        let reply = self.try_read().unwrap_or_else(|e| panic!("no reply: {e}"));
        assert_eq!(reply.response_to, id, "{:?}", reply.document);
        reply.document
    }

    /// Runs a command; the reply, also one that says no.
    ///
    /// # Panics
    ///
    /// If none comes.
    #[track_caller]
    pub fn call(&mut self, command: &Document) -> Document {
        let id = self.send(0, command);
        self.read(id)
    }

    /// Runs a command.
    ///
    /// # Errors
    ///
    /// The reply's, or that none came.
    pub fn run(&mut self, command: &Document) -> Result<Document, Failed> {
        self.send(0, command);
        let reply = self.try_read();
        let reply = reply.map_err(|e| Failed {
            code: 0,
            text: e.to_string(),
        })?;
        judge(reply.document)
    }

    /// Logs in with SCRAM-SHA-256.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub fn login(&mut self, user: &str, password: &str, database: &str) -> Result<(), Failed> {
        let begun = self.login_begin(user, password, database)?;
        self.login_end(begun)
    }

    /// The first half of a login: what the server asks is known then, and not answered.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub fn login_begin(
        &mut self,
        user: &str,
        password: &str,
        database: &str,
    ) -> Result<Begun, Failed> {
        let scram = Scram::new(user, password);
        let start = doc! {
            "saslStart": 1, "mechanism": "SCRAM-SHA-256", "$db": database,
            "payload": payload(&scram.first()), "options": {"skipEmptyExchange": true},
        };
        let reply = self.run(&start)?;
        Ok(Begun {
            answer: scram.answer(&payload_of(&reply)),
            conversation: reply.get_i32("conversationId").unwrap_or_default(),
            database: database.to_owned(),
        })
    }

    /// The second half: the proof.
    ///
    /// # Errors
    ///
    /// The refusal.
    ///
    /// # Panics
    ///
    /// If the server does not prove that it knows the password too.
    pub fn login_end(&mut self, begun: Begun) -> Result<(), Failed> {
        let Begun {
            answer,
            conversation,
            database,
        } = begun;
        let go_on = doc! {
            "saslContinue": 1, "conversationId": conversation, "payload": payload(&answer.message),
            "$db": &database,
        };
        let reply = self.run(&go_on)?;
        assert_eq!(
            payload_of(&reply),
            answer.expected,
            "the server proves itself: {reply}"
        );
        if !reply.get_bool("done").unwrap_or_default() {
            let last = doc! {
                "saslContinue": 1, "conversationId": conversation, "payload": payload(""),
                "$db": &database,
            };
            let _ = self.run(&last)?;
        }
        Ok(())
    }
}

/// A reply that says yes.
///
/// # Errors
///
/// What it says otherwise.
pub fn judge(reply: Document) -> Result<Document, Failed> {
    let ok = reply.get("ok");
    let ok = ok.and_then(|ok| ok.as_f64().or_else(|| ok.as_i32().map(f64::from)));
    if ok == Some(1.0) {
        return Ok(reply);
    }
    Err(Failed {
        code: reply.get_i32("code").unwrap_or_default(),
        text: reply.get_str("errmsg").unwrap_or_default().to_owned(),
    })
}

fn payload(text: &str) -> mongodb::bson::Binary {
    mongodb::bson::Binary {
        subtype: mongodb::bson::spec::BinarySubtype::Generic,
        bytes: text.as_bytes().to_vec(),
    }
}

fn payload_of(reply: &Document) -> String {
    let bytes = reply
        .get_binary_generic("payload")
        .cloned()
        .unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
