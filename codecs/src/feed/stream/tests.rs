use proptest::prelude::*;

use super::super::route::{Kind, Limits, Login, PoolMode, Route, Server, ServerTls, Status};
use super::*;

fn route(database: &str, generation: u64) -> Route {
    Route {
        engine: Engine::Postgres,
        database: database.to_owned(),
        kind: Kind::Tenant,
        blueprint: "myapp".to_owned(),
        tenant: Some("acme".to_owned()),
        status: Status::Active,
        server: Server {
            id: "srv_1".to_owned(),
            addr: "127.0.0.1:5432".to_owned(),
            tls: ServerTls::VerifyFull,
            version: None,
            mongo: None,
        },
        logins: vec![Login {
            user: database.to_owned(),
            server_user: None,
            verifier: "SCRAM-SHA-256$4096:c2FsdA==$a:b".to_owned(),
            generation,
        }],
        limits: Limits::default(),
        pool_mode: PoolMode::Session,
        local_infile: false,
        allow_ddl: false,
        redis: None,
    }
}

fn any_line() -> impl Strategy<Value = Line> {
    prop_oneof![
        (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(rev, routes, authoritative)| {
            Line::Snapshot(Snapshot {
                epoch: "e".to_owned(),
                rev,
                routes,
                authoritative,
            })
        }),
        (any::<u64>(), "\\PC{0,20}", any::<u64>()).prop_map(|(rev, name, generation)| Line::Put(
            Put {
                rev,
                route: route(&name, generation)
            }
        )),
        (any::<u64>(), "\\PC{0,20}").prop_map(|(rev, database)| {
            Line::Drop(DropRoute {
                rev,
                engine: Engine::Postgres,
                database,
            })
        }),
        any::<u64>().prop_map(|rev| Line::End(Mark { rev })),
        any::<u64>().prop_map(|rev| Line::Mark(Mark { rev })),
    ]
}

proptest! {
    #[test]
    fn lines_survive_encoding_and_any_split(
        lines in prop::collection::vec(any_line(), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut bytes = Vec::new();
        for line in &lines {
            line.encode(&mut bytes).unwrap();
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(bytes.len());
        let (mut reader, mut read, mut from) = (Lines::default(), Vec::new(), 0);
        for to in cuts {
            reader
                .push(&bytes[from..to], |line| { read.push(line); Ok::<_, LineError>(()) })
                .unwrap();
            from = to;
        }
        prop_assert_eq!(read, lines);
    }
}

#[test]
fn the_form_of_the_lines_is_the_documented_one() {
    let mut out = Vec::new();
    Line::Mark(Mark { rev: 43 }).encode(&mut out).unwrap();
    Line::Drop(DropRoute {
        rev: 7,
        engine: Engine::Postgres,
        database: "a__b".into(),
    })
    .encode(&mut out)
    .unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"mark\":{\"rev\":43}}\n\
         {\"drop\":{\"rev\":7,\"engine\":\"PostgreSQL\",\"database\":\"a__b\"}}\n"
    );
}

#[test]
fn a_line_without_end_is_refused_at_its_limit() {
    let mut reader = Lines::default();
    let mut pushed = 0;
    let error = loop {
        let result = reader.push(&[b' '; 1024], |_| Ok::<_, LineError>(()));
        pushed += 1024;
        if let Err(error) = result {
            break error;
        }
    };
    assert!(matches!(error, LineError::TooLong));
    assert_eq!(pushed, LINE_BYTES_MAX + 1024);
}

#[test]
fn a_route_too_long_for_a_line_leaves_the_buffer_alone() {
    let mut out = b"kept".to_vec();
    let line = Line::Put(Put {
        rev: 1,
        route: route(&"x".repeat(LINE_BYTES_MAX), 1),
    });
    assert!(matches!(line.encode(&mut out), Err(LineError::TooLong)));
    assert_eq!(out, b"kept");
}

#[test]
fn a_verifier_is_not_printed() {
    let printed = format!("{:?}", route("a__b", 1));
    assert!(!printed.contains("SCRAM"), "{printed}");
}
