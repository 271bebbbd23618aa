use tenantsdb_codecs::postgres::client::encode_query;
use tenantsdb_codecs::postgres::frame::frame;

use super::asked::STATEMENT_BYTES_MAX;
use super::*;

/// A session that is played message by message.
struct Play {
    inspect: Inspect,
    captures: Vec<Vec<(String, String)>>,
}

impl Play {
    fn new() -> Self {
        let inspect = Inspect::new(Author {
            session: "s".to_owned(),
            database: "app_dev".to_owned(),
            user: "app_dev".to_owned(),
            pid: 7,
        });
        Self {
            inspect,
            captures: Vec::new(),
        }
    }

    fn client(&mut self, tag: u8, body: &[u8]) -> &mut Self {
        let header = Header {
            tag,
            len: u32::try_from(body.len() + 4).unwrap(),
        };
        let wanted = self.inspect.client_header(header).min(body.len());
        if wanted > 0 {
            self.inspect.client_body(header, &body[..wanted]);
        }
        self
    }

    fn query(&mut self, text: &str) -> &mut Self {
        let mut out = Vec::new();
        encode_query(text, &mut out).unwrap();
        let message = frame(&out, out.len()).unwrap().unwrap();
        self.client(b'Q', message.body)
    }

    /// Parse, Bind, Describe, Execute of the unnamed statement.
    fn extended(&mut self, text: &str) -> &mut Self {
        self.client(b'P', &[b"\0", text.as_bytes(), b"\0\0\0"].concat())
            .client(b'B', b"\0\0\0\0\0\0\0\0")
            .client(b'D', b"P\0")
            .client(b'E', b"\0\0\0\0\0")
    }

    fn sync(&mut self) -> &mut Self {
        self.client(b'S', b"")
    }

    /// Each character is a message of the server; `I`, `T` and `E` behind a `Z` its status, what
    /// stands in brackets behind a `C` its tag.
    fn server(&mut self, script: &str) -> &mut Self {
        let mut rest = script.trim_start();
        while let Some(tag) = rest.bytes().next() {
            rest = &rest[1..];
            let header = |body_bytes| Header {
                tag,
                len: 4 + body_bytes,
            };
            match tag {
                b'Z' => {
                    let status = match rest.bytes().next().unwrap() {
                        b'I' => TransactionStatus::Idle,
                        b'T' => TransactionStatus::InTransaction,
                        _ => TransactionStatus::Failed,
                    };
                    rest = &rest[1..];
                    let capture = self.inspect.ready(status, "test");
                    self.captures.extend(capture.map(|capture| {
                        let all = capture.statements.into_iter();
                        all.map(|statement| (statement.text, statement.tag))
                            .collect()
                    }));
                }
                b'C' => {
                    let (text, behind) = rest[1..].split_once(']').unwrap();
                    rest = behind;
                    let body = [text.as_bytes(), b"\0"].concat();
                    let header = header(u32::try_from(body.len()).unwrap());
                    let wanted = self.inspect.server_header(header).min(body.len());
                    self.inspect.server_body(header, &body[..wanted]);
                }
                _ => drop(self.inspect.server_header(header(0))),
            }
            rest = rest.trim_start();
        }
        self
    }

    fn texts(&self) -> Vec<Vec<&str>> {
        let mut captures = Vec::new();
        for capture in &self.captures {
            captures.push(capture.iter().map(|(text, _)| text.as_str()).collect());
        }
        captures
    }
}

#[test]
fn reading_and_writing_rows_is_no_capture() {
    let mut play = Play::new();
    play.query("select 1; insert into t select 1")
        .server("TDC[SELECT 1] C[INSERT 0 1] ZI");
    play.extended("update t set i = 1")
        .sync()
        .server("12nC[UPDATE 1] ZI");
    play.query("begin")
        .server("C[BEGIN] ZT")
        .query("commit")
        .server("C[COMMIT] ZI");
    assert!(play.texts().is_empty());
}

#[test]
fn statements_of_one_query_are_told_apart() {
    let mut play = Play::new();
    play.query("create table a(); select 1; alter table a add i int;");
    play.server("C[CREATE TABLE] TDC[SELECT 1] C[ALTER TABLE] ZI");
    assert_eq!(
        play.texts(),
        [["create table a()", "alter table a add i int"]]
    );
}

#[test]
fn what_an_error_takes_back_is_no_capture() {
    let mut play = Play::new();
    play.query("create table a(); select 1/0")
        .server("C[CREATE TABLE] E ZI");
    play.query("create table a(); commit; create table b(); select 1/0");
    play.server("C[CREATE TABLE] N C[COMMIT] C[CREATE TABLE] E ZI");
    assert_eq!(play.texts(), [["create table a()"]]);
}

#[test]
fn a_transaction_is_one_capture_when_it_is_over() {
    let mut play = Play::new();
    play.query("begin").server("C[BEGIN] ZT");
    play.query("create table a()").server("C[CREATE TABLE] ZT");
    play.query("savepoint s").server("C[SAVEPOINT] ZT");
    play.query("create table b()").server("C[CREATE TABLE] ZT");
    play.query("oops").server("E ZE");
    play.query("rollback to s").server("C[ROLLBACK] ZT");
    assert!(play.texts().is_empty());
    play.query("commit").server("C[COMMIT] ZI");
    let all = [
        "create table a()",
        "savepoint s",
        "create table b()",
        "rollback to s",
    ];
    assert_eq!(play.texts(), [all]);
}

#[test]
fn a_transaction_that_is_rolled_back_is_no_capture() {
    let mut play = Play::new();
    play.query("begin; create table a()")
        .server("C[BEGIN] C[CREATE TABLE] ZT");
    play.query("rollback").server("C[ROLLBACK] ZI");
    // A failed transaction answers COMMIT with ROLLBACK.
    play.query("begin; create table a()")
        .server("C[BEGIN] C[CREATE TABLE] ZT");
    play.query("oops")
        .server("E ZE")
        .query("commit")
        .server("C[ROLLBACK] ZI");
    play.query("begin; create table a()")
        .server("C[BEGIN] C[CREATE TABLE] ZT");
    play.query("prepare transaction 'x'")
        .server("C[PREPARE TRANSACTION] ZI");
    assert!(play.texts().is_empty());
    play.query("commit prepared 'x'")
        .server("C[COMMIT PREPARED] ZI");
    assert_eq!(play.texts().len(), 1);
}

#[test]
fn the_extended_protocol_is_matched_answer_by_answer() {
    let mut play = Play::new();
    play.extended("create table a()")
        .extended("create table b()")
        .sync();
    play.server("12nC[CREATE TABLE] 12nC[CREATE TABLE] ZI");
    assert_eq!(play.texts(), [["create table a()", "create table b()"]]);
    // Everything behind an error is passed over up to the Sync, and undone with what was before it.
    play.extended("create table c()")
        .extended("oops")
        .extended("create table d()")
        .sync();
    play.server("12nC[CREATE TABLE] E ZI");
    play.extended("create table e()")
        .sync()
        .server("12nC[CREATE TABLE] ZI");
    assert_eq!(play.texts()[1..], [["create table e()"]]);
}

#[test]
fn what_the_client_sends_between_an_error_and_its_sync_is_passed_over() {
    let mut play = Play::new();
    play.client(b'P', b"\0oops\0\0\0").server("E");
    play.extended("create table a()").sync().server("ZI");
    play.extended("create table b()")
        .sync()
        .server("12nC[CREATE TABLE] ZI");
    assert_eq!(play.texts(), [["create table b()"]]);
}

#[test]
fn prepared_statements_and_portals_are_known_by_name() {
    let mut play = Play::new();
    play.client(b'P', b"s\0create table a()\0\0\0")
        .sync()
        .server("1ZI");
    play.client(b'B', b"p\0s\0\0\0\0\0\0\0")
        .client(b'E', b"p\0\0\0\0\0")
        .sync();
    play.server("2C[CREATE TABLE] ZI");
    play.client(b'C', b"Ss\0").sync().server("3ZI");
    play.client(b'B', b"p\0s\0\0\0\0\0\0\0")
        .client(b'E', b"p\0\0\0\0\0")
        .sync()
        .server("E ZI");
    assert_eq!(play.texts(), [["create table a()"]]);
}

#[test]
fn a_sync_that_a_copy_swallows_is_not_waited_for() {
    let mut play = Play::new();
    play.extended("copy t from stdin").sync().server("12nG");
    play.client(b'd', b"1\n")
        .client(b'c', b"")
        .sync()
        .server("C[COPY 1] ZI");
    play.extended("create table a()")
        .sync()
        .server("12nC[CREATE TABLE] ZI");
    // The whole of it sent at once.
    play.extended("copy t from stdin")
        .sync()
        .client(b'd', b"1\n")
        .client(b'c', b"")
        .sync();
    play.server("12nG C[COPY 1] ZI");
    play.query("copy t from stdin")
        .server("G")
        .client(b'c', b"")
        .server("C[COPY 0] ZI");
    play.query("create table b()").server("C[CREATE TABLE] ZI");
    assert_eq!(play.texts(), [["create table a()"], ["create table b()"]]);
}

#[test]
fn a_function_call_may_have_done_anything() {
    let mut play = Play::new();
    play.client(b'F', b"\0\0\0\x01\0\0\0\0\0\0").server("VZI");
    assert_eq!(play.captures, [vec![]]);
}

#[test]
fn without_the_text_the_servers_tag_counts() {
    let mut play = Play::new();
    let header = Header {
        tag: b'Q',
        len: u32::try_from(STATEMENT_BYTES_MAX + 5).unwrap(),
    };
    assert_eq!(play.inspect.client_header(header), 0);
    play.server("C[CREATE TABLE] ZI");
    play.client(b'Q', b"create table \xff()\0")
        .server("C[CREATE TABLE] ZI");
    let capture = vec![(String::new(), "CREATE TABLE".to_owned())];
    assert_eq!(play.captures, [capture.clone(), capture]);
}

#[test]
fn of_too_many_statements_in_one_query_the_tags_count() {
    let mut play = Play::new();
    for (selects, text) in [(999, "create table a()"), (1_000, "")] {
        let text_sent = format!("{}create table a()", "select 1;".repeat(selects));
        play.query(&text_sent);
        play.server(&"C[SELECT 1]".repeat(selects));
        play.server("C[CREATE TABLE] ZI");
        let capture = play.captures.pop().unwrap();
        assert_eq!(capture, [(text.to_owned(), "CREATE TABLE".to_owned())]);
    }
}

/// A statement of about a quarter of what a session may remember.
fn long(name: &str) -> String {
    format!(
        "create table {name}(/*{}*/)",
        " ".repeat(STATEMENT_BYTES_MAX - 100)
    )
}

#[test]
fn what_a_session_asks_ahead_is_remembered_within_bounds() {
    let mut play = Play::new();
    for _ in 0..8 {
        play.query(&long("a"));
    }
    play.server(&"C[CREATE TABLE] ZI".repeat(8));
    let captures = std::mem::take(&mut play.captures);
    let with_text = captures.iter().filter(|capture| !capture[0].0.is_empty());
    assert_eq!((captures.len(), with_text.count()), (8, 4));
    // Answered, they leave room again.
    play.query("create table b()").server("C[CREATE TABLE] ZI");
    assert_eq!(play.texts(), [["create table b()"]]);
}

#[test]
fn what_a_session_prepares_is_remembered_within_bounds() {
    let mut play = Play::new();
    let mut prepare = |n: char, text: &str| {
        play.client(b'P', format!("s{n}\0{text}\0\0\0").as_bytes())
            .client(b'B', format!("p{n}\0s{n}\0\0\0\0\0\0\0").as_bytes())
            .client(b'C', format!("Ss{n}\0").as_bytes())
            .client(b'E', format!("p{n}\0\0\0\0\0").as_bytes())
            .sync()
            .server("123C[CREATE TABLE] ZT");
        play.inspect.block = Block::default();
    };
    for n in 'a'..='d' {
        prepare(n, &long("a"));
    }
    // The statements are closed, their portals are not.
    assert!(play.inspect.portals["pd"].is_some());
    play.extended(&long("b"));
    play.sync().server("12nC[CREATE TABLE] ZI");
    assert_eq!(play.texts(), [[""]]);
    play.client(b'C', b"Ppa\0").sync().server("3ZI");
    play.extended(&long("c"));
    play.sync().server("12nC[CREATE TABLE] ZI");
    assert!(play.captures[1][0].0.starts_with("create table c"));
}

#[test]
fn names_that_the_server_cuts_off_leave_the_tags() {
    let mut play = Play::new();
    play.extended("create table a()");
    let long = "n".repeat(64);
    play.client(b'B', format!("\0{long}\0\0\0\0\0\0\0").as_bytes())
        .client(b'E', b"\0\0\0\0\0")
        .sync()
        .server("12nC[CREATE TABLE] 2C[CREATE INDEX] ZI");
    assert_eq!(play.texts(), [["", ""]]);
}

#[test]
fn questions_that_wait_for_a_server_at_work_are_bounded() {
    let mut play = Play::new();
    for _ in 0..30_000 {
        play.sync();
    }
    assert!(play.inspect.lost && play.inspect.queue.front().is_none());
}

#[test]
fn answers_that_nobody_asked_for_leave_the_tags() {
    let mut play = Play::new();
    play.server("1")
        .query("create table a()")
        .server("C[CREATE TABLE] ZI");
    play.query("select 1").server("C[SELECT 1] ZI");
    assert_eq!(
        play.captures,
        [vec![(String::new(), "CREATE TABLE".to_owned())]]
    );
}

#[test]
fn captures_are_numbered() {
    let mut play = Play::new();
    play.query("create table a()")
        .inspect
        .server_header(Header { tag: b'N', len: 4 });
    let complete = Header { tag: b'C', len: 17 };
    play.inspect.server_header(complete);
    play.inspect.server_body(complete, b"CREATE TABLE\0");
    let capture = play.inspect.ready(TransactionStatus::Idle, "psql").unwrap();
    assert_eq!(
        (&*capture.id, capture.pid, &*capture.application_name),
        ("s:1", 7, "psql")
    );
}
