//! Much at once: long pipelines, values that no buffer holds, readers that do not read.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use tenantsdb_tests::redis::session::request;
use tenantsdb_tests::redis::{Flavour, Session, Value};

use super::Blueprint;

on_both!(
    pipelines_of_ten_thousand_come_back_in_order,
    a_pipeline_that_is_not_read_stops_its_writer_and_nobody_else,
    values_of_100_mb_pass_both_ways_without_being_held,
    a_value_that_breaks_off_costs_its_own_connection,
);

fn pipelines_of_ten_thousand_come_back_in_order(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_pipeline", flavour);
    let acme = blueprint.tenant("acme");
    let mut session = acme.session();
    let mut bytes = Vec::new();
    for n in 0..10_000_u32 {
        let number = n.to_string();
        match n % 5 {
            0 => bytes.extend(request(&["SET", &format!("k:{n}"), &number])),
            1 => bytes.extend(request(&["GET", &format!("k:{}", n - 1)])),
            2 => bytes.extend(request(&["ECHO", &number])),
            // Answered by the proxy, and by an error of the server's.
            3 => bytes.extend(request(&["CLIENT", "GETNAME"])),
            _ => bytes.extend(request(&["LPUSH", &format!("k:{}", n - 4), "x"])),
        }
    }
    assert!(session.send_raw(&bytes));
    for n in 0..10_000_u32 {
        let reply = session.read();
        match n % 5 {
            0 => assert_eq!(reply.text(), "OK", "{n}"),
            1 => assert_eq!(reply.text(), (n - 1).to_string()),
            2 => assert_eq!(reply.text(), n.to_string()),
            3 => assert_eq!(reply, Value::Null, "{n}"),
            _ => assert!(reply.text().starts_with("WRONGTYPE"), "{n}: {reply:?}"),
        }
    }
    // All keys at once, and gone again.
    assert_eq!(session.run("KEYS k:*").items().len(), 2000);
    assert_eq!(session.text("FLUSHDB"), "OK");
    assert_eq!(blueprint.fleet.server.keys(), [""; 0]);
}

/// Peak memory of the proxy, in MB.
fn peak(blueprint: &Blueprint) -> u64 {
    let path = format!("/proc/{}/status", blueprint.fleet.proxies[0].id());
    let status = fs::read_to_string(path).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim()
        .trim_end_matches(" kB")
        .trim()
        .parse::<u64>()
        .unwrap()
        / 1024
}

fn a_pipeline_that_is_not_read_stops_its_writer_and_nobody_else(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_slow", flavour);
    let acme = blueprint.tenant("acme");
    let value = "v".repeat(100_000);
    acme.session().call(&["SET", "big", &value]);
    let before = peak(&blueprint);
    let mut slow = acme.session();
    // 300 MB of replies.
    let requests = request(&["GET", "big"]).repeat(3000);
    assert!(slow.send_raw(&requests));
    let end = Instant::now() + Duration::from_secs(1);
    let mut others = 0;
    while Instant::now() < end {
        assert_eq!(acme.run("GET none"), Value::Null);
        others += 1;
    }
    assert!(others > 20, "others were served {others} times only");
    for _ in 0..3000 {
        let Value::Bulk(got) = slow.read() else {
            panic!("no value");
        };
        assert_eq!(got.len(), value.len());
    }
    let grown = peak(&blueprint) - before;
    assert!(grown < 64, "the proxy grew by {grown} MB");
}

fn values_of_100_mb_pass_both_ways_without_being_held(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_big", flavour);
    let acme = blueprint.tenant("acme");
    let before = peak(&blueprint);
    let value: Vec<u8> = (0..100_u32 << 20)
        .map(|n| n.to_le_bytes()[(n % 3) as usize])
        .collect();
    let mut session = acme.session();
    assert_eq!(
        session.call(&[b"SET", b"big", value.as_slice()]).text(),
        "OK"
    );
    assert!(
        session.run("GET big") == Value::Bulk(value.clone()),
        "it came back changed"
    );
    assert_eq!(session.text("STRLEN big"), value.len().to_string());
    // Behind keys, where more keys follow.
    let small = b"small".as_slice();
    let words = [b"MSET".as_slice(), b"a", value.as_slice(), b"b", small];
    assert_eq!(session.call(&words).text(), "OK");
    assert_eq!(session.text("GET b"), "small");
    assert!(
        session.run("MGET a b").items()[0] == Value::Bulk(value),
        "it came back changed"
    );
    let mut keys = blueprint.fleet.server.keys();
    keys.sort();
    assert_eq!(keys, ["acme:a", "acme:b", "acme:big"]);
    let grown = peak(&blueprint) - before;
    assert!(grown < 64, "the proxy grew by {grown} MB");
}

fn a_value_that_breaks_off_costs_its_own_connection(flavour: Flavour) {
    let blueprint = Blueprint::start("redis_broken", flavour);
    let acme = blueprint.tenant("acme");
    for _ in 0..5 {
        let mut session = acme.session();
        session.send_raw(b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$50000000\r\n");
        session.send_raw(&vec![b'x'; 5_000_000]);
        thread::sleep(Duration::from_millis(5));
        drop(session);
        let mut next: Session = acme.session();
        assert_eq!(next.text("ECHO nonce"), "nonce");
        assert_eq!(next.run("GET big"), Value::Null);
    }
    // Longer than the server's own bound.
    let mut session = acme.session();
    session.send_raw(b"*2\r\n$3\r\nGET\r\n$600000000\r\n");
    let text = session.read().text();
    assert!(
        text.contains("Protocol error: invalid bulk length"),
        "{text}"
    );
    assert!(session.is_closed());
}
