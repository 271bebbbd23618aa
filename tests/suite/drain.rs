//! A proxy that is told to stop lets what is under way end, and takes nothing new.

use std::thread;

use tenantsdb_tests::{Fleet, wait};

#[test]
fn a_query_under_way_gets_its_answer_before_the_proxy_ends() {
    let mut fleet = Fleet::start("drain", 1);
    let workspace = fleet.workspace("myapp");
    workspace.psql("CREATE TABLE users (id int)").ok();
    let tenant = fleet.tenant("myapp", "acme");
    let mut busy = tenant.connect();
    let mut idle = tenant.connect();
    let mut admin = fleet.postgres.admin("myapp__acme");
    admin.batch_execute("BEGIN; LOCK TABLE users").unwrap();
    let working = thread::spawn(move || {
        // One message: a query of several has an end between them that a drain may use.
        let answered = busy.simple_query("SELECT count(*) FROM users").is_ok();
        // What comes behind it finds the proxy gone.
        (answered, busy.simple_query("SELECT 1").is_err())
    });
    wait::until("the query to wait for the lock", || {
        let sql = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        admin.query_opt(sql, &[]).unwrap()
    });

    let stopping = thread::scope(|scope| {
        let proxy = &mut fleet.proxies[0];
        let stopped = scope.spawn(|| proxy.stop());
        // Idle sessions are ended at once, which is how a client sees that it has begun.
        wait::until("the idle session to end", || {
            idle.simple_query("SELECT 1").is_err().then_some(())
        });
        assert!(tenant.try_connect().is_err(), "a new client was let in");
        assert!(!stopped.is_finished(), "it did not wait");
        admin.batch_execute("ROLLBACK").unwrap();
        stopped.join().unwrap()
    });
    assert!(stopping.is_some_and(|status| status.success()));
    assert_eq!(working.join().unwrap(), (true, true));
}
