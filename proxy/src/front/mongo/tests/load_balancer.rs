//! What a driver with `loadBalanced=true` needs.

use super::*;

fn balanced(value: bool) -> Vec<u8> {
    let mut hello = command("hello");
    hello.bool("loadBalanced", value);
    of_admin(hello)
}

fn service(answer: &Answer) -> Option<[u8; 12]> {
    answer.get("serviceId").map(|id| match id {
        Value::ObjectId(id) => id,
        other => panic!("{other:?}"),
    })
}

#[test]
fn every_connection_is_told_the_same_service() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            let answer = stage.client().await.ask(&balanced(true)).await;
            assert!(answer.ok());
            ids.push(service(&answer).expect("it asked for it"));
        }
        assert!(ids.iter().all(|id| *id == ids[0] && *id != [0; 12]));
        // Drivers close connections by it: another process has another.
        let other = Stage::start().await;
        let answer = other.client().await.ask(&balanced(true)).await;
        assert_ne!(service(&answer), Some(ids[0]));
    });
}

#[test]
fn who_does_not_ask_is_told_of_no_service() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        for hello in [simple("hello"), balanced(false), simple("isMaster")] {
            assert_eq!(service(&client.ask(&hello).await), None);
        }
    });
}

#[test]
fn a_connection_that_asked_once_is_told_with_every_hello() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        let id = service(&client.ask(&balanced(true)).await);
        assert!(id.is_some());
        for hello in [simple("hello"), balanced(false), simple("isMaster")] {
            assert_eq!(service(&client.ask(&hello).await), id);
        }
        let (login, first) = Login::start(&mut client, DATABASE, true).await;
        assert!(login.prove(&mut client, &first).await.ok());
        // By hand, in a shell.
        assert_eq!(service(&client.ask(&simple("hello")).await), id);
        let old = command("isMaster").finish();
        assert_eq!(service(&client.query("admin.$cmd", &old).await), id);
    });
}

#[test]
fn a_connection_that_asks_behind_its_login_is_told() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.logged_in().await;
        assert_eq!(service(&client.ask(&simple("hello")).await), None);
        assert!(service(&client.ask(&balanced(true)).await).is_some());
    });
}

/// Of drivers in this mode that is a connection of the pool: it goes on with its login.
#[test]
fn hello_and_login_are_one_message() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.client().await;
        let login = Login::of(DATABASE);
        let mut hello = command("hello");
        hello.bool("loadBalanced", true);
        let start = login.first(true).write();
        auth::speculate(&mut hello, Document::whole(&start).unwrap(), DATABASE);
        let answer = client.ask(&of_admin(hello)).await;
        assert!(service(&answer).is_some());
        let proven = login.prove(&mut client, &answer.speculative()).await;
        assert!(proven.is("done", true));
        assert!(client.ask(&find()).await.ok());
    });
}
