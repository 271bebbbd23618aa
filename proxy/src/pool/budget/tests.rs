use tenantsdb_codecs::feed::route::{Server, ServerTls};

use super::*;
use crate::back::postgres::Connection;

type Budgets = super::Budgets<Connection>;
type Budget = super::Budget<Connection>;
type Permit = super::Permit<Connection>;
type Grant = super::Grant<Connection>;

fn budgets(connections_max: u32) -> Budgets {
    Budgets::new(connections_max)
}

fn key() -> Arc<Key> {
    Arc::new(Key {
        server: Arc::new(Server {
            id: "srv_1".to_owned(),
            addr: "127.0.0.1:1".to_owned(),
            tls: ServerTls::Disable,
            version: None,
            mongo: None,
        }),
        database: "app__acme".into(),
        user: "app__acme".into(),
        generation: 1,
        settings: Box::default(),
    })
}

fn now(budget: &Arc<Budget>) -> Permit {
    match budget.acquire(0, &key()) {
        Acquired::Now(permit) => permit,
        Acquired::Later(_) | Acquired::Full => panic!("there is room"),
    }
}

fn later(budget: &Arc<Budget>) -> oneshot::Receiver<Grant> {
    match budget.acquire(0, &key()) {
        Acquired::Later(granted) => granted,
        Acquired::Now(_) | Acquired::Full => panic!("there is no room"),
    }
}

fn granted(waiter: &mut oneshot::Receiver<Grant>) -> Option<Permit> {
    match waiter.try_recv().ok()? {
        Grant::Permit(permit) => Some(permit),
        Grant::Connection(_) | Grant::Moving(_) => panic!("there is none"),
    }
}

#[test]
fn a_freed_place_goes_to_who_has_waited_longest_and_still_waits() {
    let budget = budgets(1).of(&key(), None);
    let permit = now(&budget);
    let (mut first, gone, mut third) = (later(&budget), later(&budget), later(&budget));
    drop(permit);
    assert!(granted(&mut third).is_none());
    let permit = granted(&mut first).unwrap();
    drop(gone);
    drop(permit);
    let permit = granted(&mut third).unwrap();
    drop(permit);
    drop(now(&budget));
    assert_eq!(budget.lock().used, 0);
}

#[test]
fn a_grant_that_nobody_takes_is_not_lost() {
    let budget = budgets(1).of(&key(), None);
    let permit = now(&budget);
    let (first, mut second) = (later(&budget), later(&budget));
    drop(permit);
    // Granted to the first, who goes without having looked.
    drop(first);
    drop(granted(&mut second).unwrap());
    assert_eq!(budget.lock().used, 0);
}

#[test]
fn nobody_overtakes_who_waits() {
    let budgets = budgets(1);
    let budget = budgets.of(&key(), None);
    let permit = now(&budget);
    let mut first = later(&budget);
    let mut second = later(&budget);
    // A larger budget lets in who waits, not who comes.
    let budget = budgets.of(&key(), Some(2));
    let first = granted(&mut first).unwrap();
    assert!(granted(&mut second).is_none());
    drop(later(&budget));
    drop((permit, first));
    assert!(granted(&mut second).is_some());
}

#[test]
fn a_smaller_budget_lets_nobody_in_until_it_fits() {
    let budgets = budgets(3);
    let budget = budgets.of(&key(), None);
    let mut permits = vec![now(&budget), now(&budget), now(&budget)];
    budgets.of(&key(), Some(1));
    let mut waiter = later(&budget);
    drop(permits.pop());
    drop(permits.pop());
    assert!(granted(&mut waiter).is_none());
    drop(permits.pop());
    assert!(granted(&mut waiter).is_some());
}

#[test]
fn the_queue_is_bounded_and_does_not_count_who_has_gone() {
    let budget = budgets(1).of(&key(), None);
    let _permit = now(&budget);
    let mut waiters: Vec<_> = (0..WAITERS_MAX).map(|_| later(&budget)).collect();
    assert!(matches!(budget.acquire(0, &key()), Acquired::Full));
    waiters.pop();
    waiters.push(later(&budget));
}

#[test]
fn a_cold_database_is_forgotten_and_a_used_one_is_not() {
    let budgets = budgets(1);
    let permit = now(&budgets.of(&key(), None));
    budgets.tend();
    assert_eq!(budgets.budgets.len(), 1);
    drop(permit);
    budgets.tend();
    assert!(budgets.budgets.is_empty());
}

#[tokio::test]
async fn a_core_with_idle_connections_hears_that_they_are_wanted() {
    let budgets = budgets(1);
    let seats = [budgets.join(), budgets.join()];
    let budget = budgets.of(&key(), None);
    let _permit = now(&budget);
    budget.lock().count_idle(1);
    budgets.make_room(&budget);
    let _waiter = later(&budget);
    budgets.make_room(&budget);
    let wanted = seats[1].wanted().await;
    assert!(matches!(wanted, Wanted::Place(wanted) if Arc::ptr_eq(&wanted, &budget)));
    assert!(seats[0].wanted.borrow_mut().try_recv().is_err());
    assert!(
        seats[1].wanted.borrow_mut().try_recv().is_err(),
        "only for who waits"
    );
}
