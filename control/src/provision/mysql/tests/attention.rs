//! Where nothing can be known, or believed, nothing is run.

use super::server::{Blueprint, Server, on_both, versions};

on_both!(
    an_intent_that_nothing_explains_needs_attention,
    a_marker_that_control_cannot_believe_needs_attention,
);

async fn an_intent_that_nothing_explains_needs_attention(server: &'static Server) {
    let blueprint = Blueprint::new(server, "intent").await;
    let mut v = versions(&["CREATE TABLE t (x int)", "ALTER TABLE t ADD y int"]);
    let mut acme = blueprint.tenant("acme", &mut v[..1]).await;
    blueprint.template(&mut v).await.unwrap();
    let intent = "INSERT INTO `_tenantsdb` (ordinal, step, state, digest, pre) VALUES (2, 1, \
                  'intent', SHA2('ALTER TABLE t ADD y int', 256), ";
    // Neither before nor after: another column came meanwhile.
    let mut admin = server.admin().await;
    admin.run("ALTER TABLE intent__acme.t ADD z int").await;
    acme.run(&format!("{intent} '{{}}')")).await;
    let failure = blueprint.apply("acme", &v).await.unwrap_err();
    assert!(failure.needs_attention);
    assert!(failure.message.contains("table t is neither"), "{failure}");
    assert_eq!(
        failure.statement.as_deref(),
        Some("ALTER TABLE t ADD y int")
    );
    // Again: it is never run.
    assert!(
        blueprint
            .apply("acme", &v)
            .await
            .unwrap_err()
            .needs_attention
    );
    let columns = "SELECT GROUP_CONCAT(COLUMN_NAME) FROM information_schema.COLUMNS \
                   WHERE TABLE_SCHEMA = 'intent__acme' AND TABLE_NAME = 't'";
    assert_eq!(acme.value(columns).await, "x,z");
    // As the statement leaves it: it counts.
    admin
        .run("ALTER TABLE intent__acme.t DROP z, ADD y int")
        .await;
    assert_eq!(blueprint.apply("acme", &v).await.unwrap().to, 2);
    assert_eq!(acme.value(columns).await, "x,y");
    // Without anything to tell by.
    v.extend(versions(&["", "", "ALTER TABLE t ADD w int"]).split_off(2));
    acme.run(
        "INSERT INTO `_tenantsdb` (ordinal, step, state, digest) VALUES (3, 1, 'intent', \
              SHA2('ALTER TABLE t ADD w int', 256))",
    )
    .await;
    let failure = blueprint.apply("acme", &v).await.unwrap_err();
    assert!(
        failure.needs_attention && failure.message.contains("nothing is known"),
        "{failure}"
    );
    // Of another statement.
    acme.run("UPDATE `_tenantsdb` SET digest = 'x' WHERE ordinal = 3")
        .await;
    assert!(
        blueprint
            .apply("acme", &v)
            .await
            .unwrap_err()
            .needs_attention
    );
}

async fn a_marker_that_control_cannot_believe_needs_attention(server: &'static Server) {
    let blueprint = Blueprint::new(server, "forged").await;
    let mut v = versions(&[
        "CREATE TABLE a (x int)",
        "CREATE TABLE b (x int)",
        "CREATE TABLE c (x int)",
    ]);
    blueprint.template(&mut v[..1]).await.unwrap();
    for (number, (forged, knows)) in [
        (
            "INSERT INTO `_tenantsdb` (ordinal, step, state) VALUES (2, 0, 'done')",
            (1, 1),
        ),
        (
            "INSERT INTO `_tenantsdb` (ordinal, step, state) VALUES (3, 0, 'done')",
            (1, 3),
        ),
        (
            "INSERT INTO `_tenantsdb` (ordinal, step, state) VALUES (2, 1, 'done')",
            (1, 1),
        ),
        (
            "INSERT INTO `_tenantsdb` (ordinal, step, state) VALUES (3, 1, 'done')",
            (1, 3),
        ),
        (
            "INSERT INTO `_tenantsdb` (ordinal, step, state) VALUES (2, 1, 'done')",
            (1, 3),
        ),
        (
            "INSERT INTO `_tenantsdb` (ordinal, step, state) VALUES (2, 0, 'nonsense')",
            (1, 3),
        ),
        (
            "INSERT INTO `_tenantsdb` (ordinal, step, state) \
             WITH RECURSIVE d (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM d WHERE n < 99) \
             SELECT a.n + 2, 100 * b.n + c.n + 1, 'done' FROM d a, d b, d c WHERE a.n < 11",
            (1, 3),
        ),
        ("UPDATE `_tenantsdb` SET ordinal = 0", (1, 3)),
        ("UPDATE `_tenantsdb` SET ordinal = -1", (1, 3)),
        ("DELETE FROM `_tenantsdb`", (1, 3)),
        ("DO 0", (2, 3)),
    ]
    .into_iter()
    .enumerate()
    {
        let tenant = format!("t{number}");
        blueprint
            .tenant_with(&tenant, 1, (false, false))
            .await
            .unwrap();
        let mut client = blueprint.client(&tenant).await;
        client.run(forged).await;
        let failure = blueprint.apply_known(&tenant, &v, knows).await.unwrap_err();
        assert!(failure.needs_attention, "{forged}: {failure}");
        let tables = format!(
            "SELECT GROUP_CONCAT(TABLE_NAME ORDER BY 1) FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = 'forged__{tenant}' AND TABLE_NAME <> '_tenantsdb'"
        );
        assert_eq!(client.value(&tables).await, "a", "{forged}");
    }
    // One who may change the schema makes it something that runs code.
    blueprint
        .tenant_with("ddl", 1, (true, false))
        .await
        .unwrap();
    let mut ddl = blueprint.client("ddl").await;
    ddl.run("DROP TABLE `_tenantsdb`").await;
    let failure = blueprint.apply_known("ddl", &v, (1, 3)).await.unwrap_err();
    assert!(
        failure.needs_attention && failure.message.contains("no table"),
        "{failure}"
    );
    ddl.run(
        "CREATE FUNCTION evil() RETURNS int SQL SECURITY INVOKER READS SQL DATA \
         RETURN (SELECT COUNT(*) FROM mysql.user)",
    )
    .await;
    ddl.run(
        "CREATE SQL SECURITY INVOKER VIEW `_tenantsdb` AS SELECT evil() AS ordinal, 0 AS step, \
         'done' AS state, '' AS digest, NULL AS pre",
    )
    .await;
    let failure = blueprint.apply_known("ddl", &v, (1, 3)).await.unwrap_err();
    assert!(
        failure.needs_attention && failure.message.contains("(1356)"),
        "{failure}"
    );
    // Control says both.
    let _ = blueprint.tenant_with("both", 1, (false, false)).await;
    let mut both = blueprint.client("both").await;
    both.run("UPDATE `_tenantsdb` SET ordinal = 9").await;
    let failure = blueprint.apply_known("both", &v, (1, 3)).await.unwrap_err();
    for text in ["says 1.9", "recorded 1.1", "nothing above 1.3"] {
        assert!(failure.message.contains(text), "{failure}");
    }
}
