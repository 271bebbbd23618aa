//! A proxy that is told to stop lets what is under way end, and takes nothing new.

use std::thread;

use tenantsdb_tests::{Fleet, wait};

#[test]
fn a_query_under_way_gets_its_answer_before_the_proxy_ends() {
    let mut fleet = Fleet::start("drain", 1);
    let workspace = fleet.workspace("myapp");
    workspace.psql("CREATE TABLE users (id int)").ok();
    let tenant = fleet.tenant("myapp", "acme");
    let busy = tenant.clone();
    let mut idle = tenant.connect();
    let mut admin = fleet.server.admin("myapp__acme");
    admin.batch_execute("BEGIN; LOCK TABLE users").unwrap();
    // psql, because it gives what was answered even if the end of the session comes right behind
    // it.
    let working = thread::spawn(move || busy.psql("SELECT count(*) FROM users"));
    // Another connection: what it sees of sessions stands still in a transaction.
    let mut watcher = fleet.server.admin("postgres");
    wait::until("the query to wait for the lock", || {
        let sql = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        watcher.query_opt(sql, &[]).unwrap()
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
    assert_eq!(working.join().unwrap().out(), "0");
}
