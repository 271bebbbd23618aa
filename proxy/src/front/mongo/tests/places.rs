//! Who does not come in, and what it is told.

use super::*;
use crate::limits::bodies::FREE_BYTES;
use tenantsdb_codecs::feed::route::Status;

#[test]
fn a_suspended_tenant_is_told_so_once_it_has_proved_itself() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut route = route(stage.server_addr);
        route.status = Status::Suspended;
        fake::put(&stage.core.context, route);
        let mut client = stage.client().await;
        let (login, first) = Login::start(&mut client, DATABASE, true).await;
        let (_, answer) = login.prove_with(&mut client, &first, b"wrong").await;
        assert_eq!(answer.code(), 18);
        let (login, first) = Login::start(&mut client, DATABASE, true).await;
        let answer = login.prove(&mut client, &first).await;
        assert_eq!(answer.code(), 13);
        assert!(answer.text().contains("suspended"), "{}", answer.text());
        assert!(client.next().await.is_none());
        assert!(stage.server.heard().is_empty());
    });
}

#[test]
fn a_tenant_suspended_later_is_told_with_its_next_request() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut client = stage.logged_in().await;
        let mut route = route(stage.server_addr);
        route.status = Status::Suspended;
        fake::put(&stage.core.context, route);
        client.tell(Flags::NONE, &find()).await;
        let answer = client.last_answer().await;
        assert_eq!(answer.code(), 13);
        assert!(answer.text().contains("suspended"), "{}", answer.text());
        assert!(stage.server.heard().is_empty());
    });
}

#[test]
fn a_proxy_that_goes_down_says_so_to_who_is_on_the_way_in() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut greets = stage.client().await;
        let mut proves = stage.client().await;
        let mut monitor = stage.client().await;
        let mut idle = stage.logged_in().await;
        // All have been accepted.
        assert!(greets.ask(&simple("ping")).await.ok());
        let (login, first) = Login::start(&mut proves, DATABASE, true).await;
        assert!(monitor.ask(&simple("hello")).await.ok());
        stage.core.context.drain.begin();
        greets.tell(Flags::NONE, &simple("hello")).await;
        assert_eq!(greets.last_answer().await.code(), 91);
        let answer = login.prove(&mut proves, &first).await;
        assert_eq!(answer.code(), 91);
        assert!(proves.next().await.is_none());
        // Who asked nothing is told nothing: it looks elsewhere.
        assert!(monitor.next().await.is_none());
        assert!(idle.next().await.is_none());
    });
}

#[test]
fn a_full_proxy_says_so_and_takes_the_next_when_one_has_left() {
    fake::run(async {
        let stage = Stage::with(|config| config.client_connections_max = 1).await;
        let mut first = stage.logged_in().await;
        let mut second = stage.client().await;
        second.tell(Flags::NONE, &simple("hello")).await;
        let answer = second.last_answer().await;
        assert_eq!(answer.code(), 402);
        assert!(answer.text().contains("too many"), "{}", answer.text());
        // An old driver hears it in its own way.
        let mut old = stage.client().await;
        let answer = old.query("admin.$cmd", &command("isMaster").finish()).await;
        assert_eq!(answer.code(), 402);
        assert!(first.ask(&find()).await.ok());
        drop(first);
        let context = &stage.core.context;
        fake::until(|| context.limits.client([127, 0, 0, 1].into()).is_ok()).await;
        let _ = stage.logged_in().await;
    });
}

#[test]
fn places_of_those_who_log_in_are_told_when_they_are_taken() {
    fake::run(async {
        let stage = Stage::with(|config| config.handshakes_max = 1).await;
        let mut first = stage.client().await;
        assert!(first.ask(&simple("ping")).await.ok());
        let mut second = stage.client().await;
        second.tell(Flags::NONE, &simple("hello")).await;
        assert_eq!(second.last_answer().await.code(), 402);
        // A monitor needs no such place.
        assert!(first.ask(&simple("hello")).await.ok());
        let _ = stage.logged_in().await;
    });
}

#[test]
fn monitors_have_half_of_all_places() {
    fake::run(async {
        let stage = Stage::with(|config| config.client_connections_max = 4).await;
        let mut monitors = [stage.client().await, stage.client().await];
        for monitor in &mut monitors {
            assert!(monitor.ask(&simple("hello")).await.ok());
        }
        let mut third = stage.client().await;
        assert!(third.ask(&simple("hello")).await.ok());
        // Who has most of them gives up its oldest.
        let [mut first, mut second] = monitors;
        assert!(first.next().await.is_none());
        assert!(second.ask(&simple("hello")).await.ok());
        // Those who log in have the other half.
        let _ = stage.logged_in().await;
    });
}

/// Some that send much, and never to its end, would take all memory.
#[test]
fn a_long_request_is_read_when_there_is_room_for_it() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut long = Writer::new();
        long.str("find", "users").str("$db", DATABASE);
        long.str("comment", &"x".repeat(FREE_BYTES));
        let long = long.finish();
        let mut client = stage.logged_in().await;
        let bodies = &stage.core.context.limits.bodies;
        let all = bodies.room(DATABASE, 64 << 20).await.expect("it is all");
        client.tell(Flags::NONE, &long).await;
        // A short one needs none.
        let mut other = stage.logged_in().await;
        assert!(other.ask(&find()).await.ok());
        assert_eq!(stage.server.heard().len(), 1);
        drop(all);
        assert!(client.answer().await.ok());
        // What was taken is given back.
        let all = bodies.room(DATABASE, 64 << 20).await.expect("it is all");
        tokio::time::pause();
        client.tell(Flags::NONE, &long).await;
        let answer = client.last_answer().await;
        assert_eq!(answer.code(), 402);
        assert!(answer.text().contains("no room"), "{}", answer.text());
        drop(all);
    });
}

#[test]
fn a_full_database_says_so_to_who_has_proved_itself() {
    fake::run(async {
        let stage = Stage::start().await;
        let mut route = route(stage.server_addr);
        route.limits.client_connections_max = Some(1);
        fake::put(&stage.core.context, route);
        let _first = stage.logged_in().await;
        let mut second = stage.client().await;
        let (login, first) = Login::start(&mut second, DATABASE, true).await;
        let answer = login.prove(&mut second, &first).await;
        assert_eq!(answer.code(), 402);
        assert!(answer.text().contains(DATABASE), "{}", answer.text());
        assert!(second.next().await.is_none());
    });
}
