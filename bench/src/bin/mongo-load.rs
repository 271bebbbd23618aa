//! Point reads and inserts over MongoDB connections, one request at a time on each: what
//! redis-benchmark is for Redis. Prints `requests/s  95th percentile in ms` and nothing else.
//!
//! mongo-load URL find|insert|session CONNECTIONS REQUESTS
//!
//! `URL` is a connection string with user, password and database (`authSource` is the database
//! unless it says another). `session` is a read and a write in turn.

#![expect(
    clippy::disallowed_methods,
    reason = "no runtime here whose clock could be paused"
)]

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use tenantsdb_codecs::mongo::auth::{SaslReply, client};
use tenantsdb_codecs::mongo::bson::Writer;
use tenantsdb_codecs::mongo::frame::{HEADER_LENGTH, Header, MESSAGE_BYTES_MAX};
use tenantsdb_codecs::mongo::op_msg::{self, Flags, Message};
use tenantsdb_codecs::mongo::report::Report;
use tenantsdb_codecs::mongo::startup::HelloRequest;
use tenantsdb_codecs::scram::Credential;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const COLLECTION: &str = "points";
/// Documents that are read from, so that not one page is asked for again and again.
const DOCUMENTS: u64 = 10_000;
const TEXT: &str = "sixty-four bytes of text, as a name, a mail address or a title is";
const USAGE: &str = "mongo-load URL find|insert|session CONNECTIONS REQUESTS";

#[derive(Clone, Debug)]
struct Target {
    address: String,
    user: String,
    password: String,
    database: String,
    source: String,
}

#[derive(Clone, Copy, Debug)]
enum Load {
    Find,
    Insert,
    Session,
}

struct Client {
    stream: TcpStream,
    database: String,
    last: i32,
    message: Vec<u8>,
}

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("mongo-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, load, connections, requests] = args.as_slice() else {
        return Err(USAGE.into());
    };
    let target = Target::read(url).ok_or("the URL is not mongodb://USER:PASSWORD@HOST:PORT/DB")?;
    let load = match load.as_str() {
        "find" => Load::Find,
        "insert" => Load::Insert,
        "session" => Load::Session,
        _ => return Err(USAGE.into()),
    };
    let connections: u64 = connections.parse()?;
    let each = requests.parse::<u64>()?.div_ceil(connections.max(1));
    Client::connect(&target)?.fill()?;
    let clients: Result<Vec<Client>> = (0..connections).map(|_| Client::connect(&target)).collect();
    let began = Instant::now();
    let threads: Vec<_> = clients?
        .into_iter()
        .zip(0..)
        .map(|(client, number)| thread::spawn(move || client.work(load, number, each)))
        .collect();
    let mut times = Vec::new();
    for thread in threads {
        times.extend(thread.join().map_err(|_| "a thread panicked")??);
    }
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    times.sort_unstable();
    let percentile = times.get(times.len() * 95 / 100).ok_or("no requests")?;
    Ok(format!("{rate:.0} {:.3}", percentile.as_secs_f64() * 1e3))
}

// === impl Target ===

impl Target {
    fn read(url: &str) -> Option<Self> {
        let (login, rest) = url.strip_prefix("mongodb://")?.split_once('@')?;
        let (user, password) = login.split_once(':')?;
        let (address, rest) = rest.split_once('/')?;
        let (database, options) = rest.split_once('?').unwrap_or((rest, ""));
        let source = options
            .split('&')
            .find_map(|option| option.strip_prefix("authSource="));
        Some(Self {
            address: address.to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
            database: database.to_owned(),
            source: source.unwrap_or(database).to_owned(),
        })
    }
}

// === impl Client ===

impl Client {
    fn connect(target: &Target) -> Result<Self> {
        let stream = TcpStream::connect(&target.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut client = Self {
            stream,
            database: target.database.clone(),
            last: 0,
            message: Vec::new(),
        };
        client.ask(&HelloRequest::default().write())?;
        client.login(target)?;
        Ok(client)
    }

    fn login(&mut self, target: &Target) -> Result<()> {
        let mut random = [0; 18];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
        let nonce = random.map(|byte| char::from(b'a' + byte % 26));
        let (first, payload) = client::start(&target.user, nonce.into_iter().collect());
        self.ask(&client::start_of(&payload, &target.source).write())?;
        let credential = Credential::Password(target.password.as_bytes());
        let (last, payload) = first.first(&self.sasl()?, &credential)?;
        self.ask(&last.next(&payload).write(&target.source))?;
        if let Some(empty) = last.finish(&self.sasl()?)? {
            self.ask(&empty.next().write(&target.source))?;
            empty.finish(&self.sasl()?)?;
        }
        Ok(())
    }

    fn sasl(&self) -> Result<SaslReply> {
        Ok(SaslReply::read(Message::read(&self.message)?.body)?)
    }

    /// What is read from.
    fn fill(&mut self) -> Result<()> {
        let mut drop = Writer::new();
        drop.str("delete", COLLECTION)
            .array("deletes", |deletes| {
                deletes.document(|delete| {
                    delete.document("q", |_| {}).i32("limit", 0);
                });
            })
            .str("$db", &self.database);
        self.ask(&drop.finish())?;
        for begin in (0..DOCUMENTS).step_by(1_000) {
            self.insert(begin..(begin + 1_000).min(DOCUMENTS))?;
        }
        Ok(())
    }

    fn insert(&mut self, ids: std::ops::Range<u64>) -> Result<()> {
        let mut insert = Writer::new();
        insert
            .str("insert", COLLECTION)
            .array("documents", |documents| {
                for id in ids {
                    documents.document(|document| {
                        let id = i64::try_from(id).unwrap_or(i64::MAX);
                        document.i64("_id", id).str("text", TEXT);
                    });
                }
            })
            .str("$db", &self.database);
        self.ask(&insert.finish())
    }

    fn find(&mut self, id: u64) -> Result<()> {
        let mut find = Writer::new();
        find.str("find", COLLECTION)
            .document("filter", |filter| {
                filter.i64("_id", i64::try_from(id).unwrap_or(i64::MAX));
            })
            .i32("limit", 1)
            .bool("singleBatch", true)
            .str("$db", &self.database);
        self.ask(&find.finish())
    }

    /// Sends requests one after the other; how long each took.
    fn work(mut self, load: Load, number: u64, requests: u64) -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        for n in 0..requests {
            // Far apart for each connection, so that none meets another's document.
            let fresh = DOCUMENTS + number * (1 << 32) + n;
            let begun = Instant::now();
            match load {
                Load::Insert => self.insert(fresh..fresh + 1)?,
                Load::Session if n % 2 == 0 => self.insert(fresh..fresh + 1)?,
                Load::Find | Load::Session => self.find((number * 7 + n * 31) % DOCUMENTS)?,
            }
            times.push(begun.elapsed());
        }
        Ok(times)
    }

    /// One command and its reply, which must be no error.
    fn ask(&mut self, body: &[u8]) -> Result<()> {
        self.last += 1;
        self.message.clear();
        op_msg::write(self.last, 0, Flags::NONE, body, &mut self.message);
        self.stream.write_all(&self.message)?;
        self.message.resize(HEADER_LENGTH, 0);
        self.stream.read_exact(&mut self.message)?;
        let header = Header::read(&self.message, MESSAGE_BYTES_MAX)?;
        let header = header.ok_or("half a header")?;
        self.message.resize(header.length, 0);
        let rest = self.message.get_mut(HEADER_LENGTH..);
        self.stream.read_exact(rest.ok_or("a short message")?)?;
        if header.response_to != self.last {
            return Err(format!("a reply to {}, not to {}", header.response_to, self.last).into());
        }
        let reply = Message::read(&self.message)?.body;
        if let Some(report) = Report::read(reply)? {
            return Err(format!("{}: {}", report.code_name, report.message).into());
        }
        match reply.get("writeErrors")? {
            Some(_) => Err("a write was refused".into()),
            None => Ok(()),
        }
    }
}
