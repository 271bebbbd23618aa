use super::server::{self, Blueprint, Client, Server, on_both, statement, versions};
use crate::blueprint::Version;

on_both!(
    versions_that_are_there_are_passed_over,
    a_gap_in_the_versions_is_refused,
    a_statement_that_fails_leaves_those_before_it_and_can_be_run_again,
);

async fn marker(client: &mut Client) -> String {
    let sql = "SELECT GROUP_CONCAT(ordinal ORDER BY ordinal) FROM `_tenantsdb` \
               WHERE step = 0 AND state = 'done'";
    client.value(sql).await
}

async fn versions_that_are_there_are_passed_over(server: &'static Server) {
    let blueprint = Blueprint::new(server, "once").await;
    let mut v = versions(&[
        "CREATE TABLE a (x int)",
        "CREATE TABLE b (x int)",
        "CREATE TABLE c (x int)",
    ]);
    let mut acme = blueprint.tenant("acme", &mut v[..1]).await;
    blueprint.template(&mut v).await.unwrap();
    let first = blueprint.apply("acme", &v).await.unwrap();
    assert_eq!((first.from, first.to), (1, 3));
    let again = blueprint.apply("acme", &v).await.unwrap();
    assert_eq!((again.from, again.to), (3, 3));
    assert_eq!(marker(&mut acme).await, "1,2,3");
    acme.run("INSERT INTO c VALUES (1)").await;
    assert_eq!(acme.refused("ALTER TABLE c ADD COLUMN y int").await, 1142);
}

async fn a_gap_in_the_versions_is_refused(server: &'static Server) {
    let blueprint = Blueprint::new(server, "gap").await;
    let _acme = blueprint.tenant("acme", &mut []).await;
    let v = versions(&["CREATE TABLE a (x int)", "CREATE TABLE b (x int)"]);
    let failure = blueprint.apply("acme", &v[1..]).await.unwrap_err();
    assert!(
        failure.message.contains("1.2 is the next version given"),
        "{failure}"
    );
}

async fn a_statement_that_fails_leaves_those_before_it_and_can_be_run_again(
    server: &'static Server,
) {
    let blueprint = Blueprint::new(server, "half").await;
    let mut acme = blueprint
        .tenant("acme", &mut versions(&["CREATE TABLE t (x int)"]))
        .await;
    acme.run("INSERT INTO t VALUES (1), (1)").await;
    let mut v = versions(&["CREATE TABLE t (x int)", "CREATE TABLE u (x int)"]);
    v.push(Version {
        ordinal: 3,
        statements: vec![
            statement("CREATE TABLE w (x int)"),
            statement("CREATE UNIQUE INDEX one ON t (x)"),
        ],
    });
    for with_probes in [false, true] {
        if with_probes {
            blueprint.template(&mut v).await.unwrap();
        }
        let failure = blueprint.apply("acme", &v).await.unwrap_err();
        assert_eq!(failure.to, Some(2));
        assert_eq!(failure.sqlstate.as_deref(), Some("23000"));
        assert!(failure.message.contains("(1062)"), "{failure}");
        assert!(!failure.needs_attention);
        assert_eq!(
            failure.statement.as_deref(),
            Some("CREATE UNIQUE INDEX one ON t (x)")
        );
    }
    assert_eq!(acme.value("SELECT count(*) FROM w").await, "0");
    acme.run("DELETE FROM t").await;
    let mended = blueprint.apply("acme", &v).await.unwrap();
    assert_eq!((mended.from, mended.to), (2, 3));
}
