//! Transaction mode: many clients over few server connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};
use serde_json::json;
use tenantsdb_tests::mongo::{Database, Wire};

use super::Blueprint;

/// Flags of OP_MSG (<https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>).
const MORE_TO_COME: u32 = 1 << 1;
const EXHAUST_ALLOWED: u32 = 1 << 16;

/// NoSuchTransaction.
const NO_SUCH_TRANSACTION: i32 = 251;

/// A proxy that has so many server connections for a database, and a tenant in this mode.
fn with_at_most(test: &str, connections: &str, mode: &str) -> (Blueprint, Database) {
    let mut blueprint = Blueprint::start(test);
    let flags = [
        "--mongo-server-connections-max",
        connections,
        "--checkout-seconds",
        "4",
    ];
    blueprint.fleet.proxies[0].restart_with(&flags);
    let body = json!({"name": "acme", "blueprint": blueprint.name, "pool_mode": mode});
    let tenant = blueprint.fleet.tenant_with(&body);
    (blueprint, tenant)
}

fn logged_in(tenant: &Database) -> Wire {
    let mut wire = Wire::connect(&tenant.address).unwrap();
    wire.login(&tenant.user, &tenant.password, &tenant.source)
        .unwrap();
    wire
}

fn batch(reply: &Document) -> Vec<i32> {
    let cursor = reply.get_document("cursor").unwrap();
    let documents = cursor
        .get_array("firstBatch")
        .or_else(|_| cursor.get_array("nextBatch"));
    let number = |document: &Bson| document.as_document().unwrap().get_i32("n").unwrap();
    documents.unwrap().iter().map(number).collect()
}

fn cursor(reply: &Document) -> i64 {
    let cursor = reply.get_document("cursor").unwrap();
    cursor.get_i64("id").unwrap()
}

/// The id of a session, as drivers make it.
fn lsid(seed: u8) -> Document {
    let bytes = vec![seed; 16];
    let subtype = BinarySubtype::Uuid;
    doc! {"id": Binary { subtype, bytes }}
}

#[test]
fn many_clients_share_few_server_connections() {
    const CLIENTS: i32 = 60;
    const ROUNDS: i32 = 12;
    const SERVER_CONNECTIONS: u64 = 4;
    let (blueprint, tenant) = with_at_most(
        "mongo_pool_few",
        &SERVER_CONNECTIONS.to_string(),
        "transaction",
    );
    let proxy = &blueprint.fleet.proxies[0];
    // One after the other: a test's own proofs of so many passwords would take both cores.
    let wires: Vec<Wire> = (0..CLIENTS).map(|_| logged_in(&tenant)).collect();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..)
            .zip(wires)
            .map(|(client, mut wire)| {
                let tenant = &tenant;
                scope.spawn(move || {
                    let (db, c) = (&tenant.name, format!("c{client}"));
                    for round in 0..ROUNDS {
                        let n = client * ROUNDS + round;
                        let quiet = round % 3 == 0;
                        let insert = doc! {
                            "insert": &c, "documents": [{"n": n}], "$db": db,
                            "writeConcern": {"w": i32::from(!quiet)},
                        };
                        match quiet {
                            true => drop(wire.send(MORE_TO_COME, &insert)),
                            false => drop(wire.run(&insert).unwrap()),
                        }
                    }
                    // A cursor's batches come from whichever server connection is free.
                    let find = doc! {"find": &c, "sort": {"n": 1}, "batchSize": 5, "$db": db};
                    let mut reply = wire.run(&find).unwrap();
                    let mut seen = batch(&reply);
                    while cursor(&reply) != 0 {
                        let more = doc! {
                            "getMore": cursor(&reply), "collection": &c, "batchSize": 5, "$db": db,
                        };
                        reply = wire.run(&more).unwrap();
                        seen.extend(batch(&reply));
                    }
                    let own = client * ROUNDS..(client + 1) * ROUNDS;
                    assert_eq!(seen, own.collect::<Vec<_>>(), "client {client}");
                    wire
                })
            })
            .collect();
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(proxy.metric("server_connections"));
            }
            most
        });
        // Open still, all of them.
        let wires: Vec<_> = clients
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        over.store(true, Ordering::Relaxed);
        let most = watch.join().unwrap();
        assert!((1..=SERVER_CONNECTIONS).contains(&most), "{most}");
        for wire in wires {
            drop(wire.unwrap());
        }
    });
}

#[test]
fn a_transaction_keeps_its_server_connection_and_the_reason_is_counted() {
    let (blueprint, tenant) = with_at_most("mongo_pool_transaction", "1", "transaction");
    let proxy = &blueprint.fleet.proxies[0];
    let pinned = || proxy.metric("pinned_total{reason=\"transaction\"}");
    let db = &tenant.name;
    let mut first = logged_in(&tenant);
    let mut second = logged_in(&tenant);
    first
        .run(&doc! {"insert": "c", "documents": [{"n": 1}], "$db": db})
        .unwrap();
    assert_eq!(pinned(), 0);
    let find = doc! {"find": "c", "sort": {"n": 1}, "$db": db};
    // SecantusDB gives up a transaction that is not committed within a second or two, which a busy
    // machine may need: it is begun again then, as drivers do.
    for attempt in 1..=5_u64 {
        let number = attempt.cast_signed();
        first
            .run(&doc! {
                "insert": "c", "documents": [{"n": 2}], "$db": db, "lsid": lsid(1),
                "txnNumber": number, "startTransaction": true, "autocommit": false,
            })
            .unwrap();
        assert_eq!(pinned(), attempt);
        // There is one server connection, and it is taken: this waits.
        let waiting = second.send(0, &find);
        let committed = first.run(&doc! {
            "commitTransaction": 1, "$db": "admin", "lsid": lsid(1), "txnNumber": number,
            "autocommit": false,
        });
        let found = second.read(waiting);
        match committed {
            Ok(_) => {
                assert_eq!(batch(&found), [1, 2]);
                assert_eq!(pinned(), attempt);
                return;
            }
            Err(failed) => assert_eq!(failed.code, NO_SUCH_TRANSACTION, "{failed}"),
        }
    }
    panic!("the server keeps no transaction");
}

#[test]
fn an_exhaust_cursor_keeps_its_server_connection_until_its_last_reply() {
    let (blueprint, tenant) = with_at_most("mongo_pool_exhaust", "1", "transaction");
    let proxy = &blueprint.fleet.proxies[0];
    let db = &tenant.name;
    let mut first = logged_in(&tenant);
    let mut second = logged_in(&tenant);
    let numbers: Vec<Document> = (0..40).map(|n| doc! {"n": n}).collect();
    first
        .run(&doc! {"insert": "c", "documents": numbers, "$db": db})
        .unwrap();
    let find = doc! {"find": "c", "sort": {"n": 1}, "batchSize": 10, "$db": db};
    let reply = first.run(&find).unwrap();
    let more = doc! {"getMore": cursor(&reply), "collection": "c", "batchSize": 10, "$db": db};
    first.send(EXHAUST_ALLOWED, &more);
    let mut seen = batch(&reply);
    let mut replies = 0;
    loop {
        let reply = first.try_read().unwrap();
        seen.extend(batch(&reply.document));
        replies += 1;
        if reply.flags & MORE_TO_COME == 0 {
            break;
        }
    }
    // A server may answer an exhaust request by one reply: then the driver asks again.
    let counted = proxy.metric("pinned_total{reason=\"exhaust\"}");
    assert_eq!(counted, u64::from(replies > 1));
    assert_eq!(
        seen,
        (0..i32::try_from(seen.len()).unwrap()).collect::<Vec<_>>()
    );
    let ten = batch(&second.run(&find).unwrap());
    assert_eq!(ten, (0..10).collect::<Vec<_>>());
}

#[test]
fn the_pool_mode_of_a_tenant_can_be_changed_while_it_is_used() {
    let (blueprint, tenant) = with_at_most("mongo_pool_mode", "1", "session");
    let tdb = &blueprint.fleet.tdb;
    let get = || tdb.run(&["tenants", "get", "acme"]).out();
    assert!(get().contains("pool mode:"), "{}", get());
    let find = doc! {"find": "c", "$db": &tenant.name};
    let mut first = logged_in(&tenant);
    let mut second = logged_in(&tenant);
    first.run(&find).unwrap();
    // In session mode the only server connection is the first client's until it leaves.
    let failed = second.run(&find).unwrap_err();
    assert!(failed.text.contains("server connection"), "{failed}");
    let set = |mode| {
        let blueprint = blueprint.name.as_str();
        tdb.run(&[
            "tenants",
            "set",
            "acme",
            "--blueprint",
            blueprint,
            "--pool-mode",
            mode,
        ])
    };
    let said = set("transaction").out();
    assert!(said.contains("has pool mode transaction"), "{said}");
    assert!(get().contains("transaction"), "{}", get());
    first.run(&find).unwrap();
    second.run(&find).unwrap();
    first.run(&find).unwrap();
    let of_another = [
        "tenants",
        "set",
        "acme",
        "--blueprint",
        "no",
        "--pool-mode",
        "session",
    ];
    let refused = tdb.run(&of_another).error();
    assert!(refused.contains("there is no database"), "{refused}");
}
