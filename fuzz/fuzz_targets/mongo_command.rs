//! A document as the body of a MongoDB request and as a reply, or a text as a captured command.
//!
//! What goes on names no other database that is looked for, and changes no schema without leave;
//! what is refused without leave is refused or forwarded with it, and a refusal is a reply. No
//! walk goes where the validator does not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::mongo::bson::{DEPTH_MAX, Document, validate};
use tenantsdb_codecs::mongo::client::Request;
use tenantsdb_codecs::mongo::command::{Verdict, decide};
use tenantsdb_codecs::mongo::escape;
use tenantsdb_codecs::mongo::pipeline::{Asked, Exchange, Reply, Sessions};
use tenantsdb_codecs::mongo::report::Report;
use tenantsdb_codecs::mongo::shell::shell;

const OWN: &str = "a";

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = shell(text);
    }
    let Ok(body) = Document::whole(data) else {
        return;
    };
    if let (Ok(()), Err(error)) = (validate(data, DEPTH_MAX), escape::find(body, OWN)) {
        panic!("a valid document is not walked: {error}");
    }
    let reply = Reply::read(body);
    if let Ok(request) = Request::read(body) {
        check(&request, reply.unwrap_or_default());
    }
});

fn check(request: &Request<'_>, reply: Reply<'_>) {
    let (without, with) = (decide(request, OWN, false), decide(request, OWN, true));
    match (&without, &with) {
        (Ok(Verdict::Forward(effect)), _) => assert!(!effect.structural && without == with),
        (Ok(Verdict::Refuse(refusal)), _) => {
            let report = refusal.report();
            let report = Report::read(Document::whole(&report).unwrap()).unwrap();
            assert_eq!(report.unwrap().code, i64::from(refusal.code.number()));
        }
        _ => assert_eq!(without, with),
    }
    let Ok(Verdict::Forward(effect)) = with else {
        return;
    };
    assert!([OWN, "admin"].contains(&request.db));
    let Ok(asked) = Asked::of(request, &effect, true) else {
        return;
    };
    let (mut exchange, mut sessions) = <(Exchange, Sessions)>::default();
    for _ in 0..2 {
        sessions.request(&asked);
        exchange.request(asked.clone()).unwrap();
        sessions.reply(&asked, &reply);
        assert_eq!(exchange.reply(&reply, true), Ok(None));
        assert_eq!(exchange.reply(&reply, false), Ok(Some(asked.clone())));
        let _ = exchange.pin(true, |lsid, number| sessions.is_open(lsid, number));
    }
    // What is left can be read, and goes on.
    for command in sessions.leavings() {
        let command = Document::whole(&command).unwrap();
        Request::read(command).unwrap();
    }
}
