use super::server::{Blueprint, Client, Server, on_both, statement, versions};
use crate::blueprint::{Snapshot, Statement, Version, infer};
use tenantsdb_codecs::mysql::Flavour;

on_both!(
    workspace_new_tenant_and_deployed_tenant_have_one_schema,
    templates_are_built_on_each_other_and_two_are_kept,
    a_template_that_cannot_be_built_leaves_nothing,
    a_difference_is_named,
    differences_become_statements_that_make_them,
    what_a_crash_left_of_a_tenant_is_made_again,
    tables_are_shown,
    rows_that_a_statement_makes_come_with_a_template,
    a_view_that_lost_its_table_does_not_stop_later_templates,
    a_client_that_says_latin1_and_sends_utf8_is_followed,
);

/// Objects of many kinds; at least 40.
pub(super) fn many_kinds(flavour: Flavour) -> Vec<String> {
    let mut texts: Vec<String> = [
        "CREATE TABLE countries (code char(2) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, \
         name varchar(80) CHARACTER SET utf8mb4 NOT NULL COMMENT 'it''s a name; really') \
         ENGINE=InnoDB COMMENT='countries, AUTO_INCREMENT=7'",
        "CREATE TABLE users (id int AUTO_INCREMENT PRIMARY KEY, mail varchar(120) NOT NULL, \
         country char(2) CHARACTER SET ascii COLLATE ascii_bin, born date, \
         mail_lower varchar(120) AS (lower(mail)) STORED, \
         domain varchar(120) AS (substring_index(mail, '@', -1)) VIRTUAL, \
         made timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, \
         UNIQUE KEY mail (mail), KEY by_country (country, born), \
         CONSTRAINT of_country FOREIGN KEY (country) REFERENCES countries (code) \
         ON DELETE SET NULL, \
         CONSTRAINT mail_is_one CHECK (mail LIKE '%@%')) \
         DEFAULT CHARSET=utf8mb4 AUTO_INCREMENT=1000",
        "CREATE TABLE orders (id bigint UNSIGNED AUTO_INCREMENT PRIMARY KEY, user_id int NOT NULL, \
         state enum('new','paid','a,b') NOT NULL DEFAULT 'new', flags set('x','y'), \
         total decimal(12,2) NOT NULL DEFAULT 0.00, note text, place point NOT NULL, \
         FULLTEXT KEY words (note), SPATIAL KEY places (place), \
         FOREIGN KEY (user_id) REFERENCES users (id) ON UPDATE CASCADE) ENGINE=InnoDB",
        "CREATE TABLE items (order_id bigint UNSIGNED NOT NULL, line int NOT NULL, \
         sku varchar(40), \
         PRIMARY KEY (order_id, line), \
         CONSTRAINT of_order FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE)",
        "CREATE TABLE log (at datetime NOT NULL, line varchar(200), KEY at (at)) \
         PARTITION BY RANGE (year(at)) (PARTITION p2025 VALUES LESS THAN (2026), \
         PARTITION p2026 VALUES LESS THAN (2027), PARTITION rest VALUES LESS THAN MAXVALUE)",
        "CREATE TABLE shards (k int NOT NULL, v blob, PRIMARY KEY (k)) \
         PARTITION BY HASH (k) PARTITIONS 4",
        "CREATE TABLE latin (a varchar(20) CHARACTER SET latin1 COLLATE latin1_german1_ci, \
         b char(3) DEFAULT 'ß\\'x') DEFAULT CHARSET=latin1",
        "CREATE TABLE docs (id binary(16) NOT NULL PRIMARY KEY, doc json, n double DEFAULT 1.5e3, \
         b bit(3) DEFAULT b'101', t time(3), y year, d datetime DEFAULT NULL) ROW_FORMAT=DYNAMIC",
        "CREATE TABLE `odd ``name` (`a b` int, `select` int, KEY `k,)` (`a b`))",
        "CREATE TABLE tree (id int PRIMARY KEY, parent int, \
         FOREIGN KEY (parent) REFERENCES tree (id))",
        "ALTER TABLE users ADD COLUMN age smallint AFTER mail, ADD KEY ages (age)",
        "CREATE INDEX totals ON orders (total, state)",
        "CREATE UNIQUE INDEX sku ON items (sku(10))",
        "CREATE VIEW b_users AS SELECT id, mail FROM users WHERE age > 17",
        "CREATE VIEW a_adults AS SELECT * FROM b_users",
        "CREATE SQL SECURITY INVOKER VIEW big AS SELECT o.id, u.mail FROM orders o JOIN users u \
         ON u.id = o.user_id WHERE o.total > 100",
        "CREATE ALGORITHM=MERGE VIEW paid AS SELECT id, total FROM orders WHERE state = 'paid' \
         WITH CASCADED CHECK OPTION",
        "CREATE VIEW `odd view` AS SELECT `a b` AS `x ``y` FROM `odd ``name`",
        "CREATE VIEW meta AS SELECT table_name FROM information_schema.tables \
         WHERE table_schema = DATABASE()",
        "CREATE FUNCTION tax(amount decimal(12,2)) RETURNS decimal(12,2) DETERMINISTIC NO SQL \
         RETURN amount * 0.19",
        "CREATE VIEW taxes AS SELECT id, tax(total) AS tax FROM orders",
        "CREATE FUNCTION greet(who varchar(20)) RETURNS varchar(40) CHARSET utf8mb4 DETERMINISTIC \
         RETURN CONCAT('Grüß ', who, '; ')",
        "CREATE PROCEDURE pay(IN wanted bigint, OUT left_over int) MODIFIES SQL DATA \
         COMMENT 'pays; one' BEGIN DECLARE n int DEFAULT 0; \
         UPDATE orders SET state = 'paid' WHERE id = wanted; \
         SELECT COUNT(*) INTO n FROM orders WHERE state = 'new'; SET left_over = n; END",
        "CREATE PROCEDURE noop() SQL SECURITY INVOKER BEGIN END",
        "CREATE TRIGGER items_b BEFORE INSERT ON items FOR EACH ROW SET NEW.sku = UPPER(NEW.sku)",
        "CREATE TRIGGER items_a BEFORE INSERT ON items FOR EACH ROW PRECEDES items_b \
         SET NEW.sku = TRIM(NEW.sku)",
        "CREATE TRIGGER users_log AFTER UPDATE ON users FOR EACH ROW \
         BEGIN IF OLD.mail <> NEW.mail THEN INSERT INTO log VALUES (NOW(), NEW.mail); END IF; END",
        "CREATE EVENT clean ON SCHEDULE EVERY 1 DAY COMMENT 'daily' DO DELETE FROM log",
        "CREATE EVENT later ON SCHEDULE EVERY 2 HOUR STARTS '2031-01-01 00:00:00' \
         ENDS '2032-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE DO CALL noop()",
        "CREATE EVENT once ON SCHEDULE AT '2033-03-03 03:03:03' DO CALL noop()",
    ]
    .map(str::to_owned)
    .to_vec();
    if flavour == Flavour::MariaDb {
        texts.push("CREATE SEQUENCE tickets START WITH 100 INCREMENT BY 5".to_owned());
        texts.push("CREATE TABLE uses_it (n bigint DEFAULT nextval(tickets), x int)".to_owned());
        texts.push("CREATE TABLE temporal (x int) WITH SYSTEM VERSIONING".to_owned());
    } else {
        texts.push(
            "CREATE TABLE newer (id int PRIMARY KEY, j json, hidden int INVISIBLE, \
             KEY down (id DESC), KEY fun ((id + 1)))"
                .to_owned(),
        );
    }
    // And some that are alike.
    for n in 0..12 {
        texts.push(format!(
            "CREATE TABLE plain_{n} (id int PRIMARY KEY, v varchar({}))",
            n + 1
        ));
    }
    texts
}

/// Runs all texts in a workspace, with captures as of now, and gives the versions they make.
async fn captured(dev: &mut Client, texts: &[String]) -> Vec<Version> {
    let mut versions = Vec::new();
    for (ordinal, text) in (1..).zip(texts) {
        dev.run(text).await;
        versions.push(Version {
            ordinal,
            statements: vec![Statement {
                context: Some(context(dev).await),
                captured_at: time::OffsetDateTime::now_utc(),
                ..statement(text)
            }],
        });
    }
    versions
}

/// What a proxy would say of the session.
async fn context(client: &mut Client) -> tenantsdb_codecs::feed::capture::Context {
    tenantsdb_codecs::feed::capture::Context {
        sql_mode: client.value("SELECT @@sql_mode").await,
        character_set_client: client.value("SELECT @@character_set_client").await,
        collation_connection: client.value("SELECT @@collation_connection").await,
        foreign_key_checks: client.value("SELECT @@foreign_key_checks").await == "1",
        default_storage_engine: client.value("SELECT @@default_storage_engine").await,
        explicit_defaults_for_timestamp: client
            .value("SELECT @@explicit_defaults_for_timestamp")
            .await
            == "1",
    }
}

async fn snapshot(blueprint: &Blueprint, database: &str) -> Snapshot {
    blueprint.provisioner.snapshot(database).await.unwrap()
}

fn assert_same(one: &Snapshot, other: &Snapshot) {
    for key in one.changed(other) {
        eprintln!("{key}:\n{:?}\n{:?}", one.0.get(&key), other.0.get(&key));
    }
    assert_eq!(one.digest(), other.digest());
}

async fn workspace_new_tenant_and_deployed_tenant_have_one_schema(server: &'static Server) {
    let blueprint = Blueprint::new(server, "same").await;
    let mut dev = blueprint.workspace().await;
    let _first = blueprint.tenant("first", &mut []).await;
    let mut v = captured(&mut dev, &many_kinds(server.flavour)).await;
    dev.run("CREATE TABLE schema_migrations (v int PRIMARY KEY)")
        .await;
    dev.run("INSERT INTO countries VALUES ('DE', 'x'); INSERT INTO users (mail) VALUES ('a@b')")
        .await;
    let newest = v.last().unwrap().ordinal;
    let found = blueprint.template(&mut v).await.unwrap();
    assert_eq!(found.len(), v.len());
    let workspace = snapshot(&blueprint, "same_dev").await;
    assert!(workspace.0.len() > 40, "{}", workspace.0.len());
    assert!(!workspace.0.contains_key("table schema_migrations"));
    let template = format!("same_template_1_{newest}");
    assert_same(&snapshot(&blueprint, &template).await, &workspace);
    blueprint
        .provisioner
        .template_check("same", newest, "same_dev")
        .await
        .unwrap();
    let mut second = blueprint.tenant("second", &mut v).await;
    let applied = blueprint.apply("first", &v).await.unwrap();
    assert_eq!((applied.from, applied.to), (0, newest));
    assert_same(&snapshot(&blueprint, "same__first").await, &workspace);
    assert_same(&snapshot(&blueprint, "same__second").await, &workspace);
    // The start of a counter is part of a template, not of a snapshot.
    second.run("INSERT INTO users (mail) VALUES ('a@b')").await;
    assert_eq!(second.value("SELECT id FROM users").await, "1000");
    second.run("CALL pay(1, @n)").await;
    assert_eq!(second.value("SELECT greet('x')").await, "Grüß x; ");
}

async fn templates_are_built_on_each_other_and_two_are_kept(server: &'static Server) {
    let blueprint = Blueprint::new(server, "kept").await;
    let mut v = versions(&[
        "CREATE TABLE a (x int)",
        "CREATE TABLE b (x int)",
        "ALTER TABLE a ADD y int",
    ]);
    for last in 0..=3 {
        let found = blueprint.template(&mut v[..last]).await.unwrap();
        assert_eq!(found.len(), last.min(1));
    }
    // What control lost it is told again.
    let mut forgotten = versions(&["CREATE TABLE a (x int)", "CREATE TABLE b (x int)"]);
    forgotten.push(v[2].clone());
    let found = blueprint.template(&mut forgotten).await.unwrap();
    let places: Vec<(u32, u32)> = found.iter().map(|(o, p, _)| (*o, *p)).collect();
    assert_eq!(places, [(1, 1), (2, 1)]);
    assert_eq!(forgotten, v);
    let mut admin = server.admin().await;
    let sql = "SELECT GROUP_CONCAT(SCHEMA_NAME ORDER BY 1) FROM information_schema.SCHEMATA \
               WHERE SCHEMA_NAME LIKE 'kept\\_template%'";
    assert_eq!(
        admin.value(sql).await,
        "kept_template_1_2,kept_template_1_3"
    );
    blueprint.provisioner.drop_blueprint("kept").await.unwrap();
    assert_eq!(admin.value(sql).await, "");
}

async fn a_template_that_cannot_be_built_leaves_nothing(server: &'static Server) {
    let blueprint = Blueprint::new(server, "broken").await;
    let mut v = versions(&["CREATE TABLE a (x int)", "CREATE INDEX i ON b (x)"]);
    let error = blueprint.template(&mut v).await.unwrap_err();
    assert!(error.to_string().contains("1.2"), "{error}");
    let mut admin = server.admin().await;
    let sql = "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'broken%'";
    assert_eq!(admin.value(sql).await, "0");
    assert!(
        blueprint
            .tenant_with("acme", 2, (false, false))
            .await
            .is_err()
    );
}

async fn a_difference_is_named(server: &'static Server) {
    let blueprint = Blueprint::new(server, "drift").await;
    let mut dev = blueprint.workspace().await;
    let texts = ["CREATE TABLE t (x int)", "CREATE VIEW v AS SELECT x FROM t"].map(str::to_owned);
    let mut v = captured(&mut dev, &texts).await;
    dev.run("ALTER TABLE t ADD y int").await;
    blueprint.template(&mut v).await.unwrap();
    let error = blueprint
        .provisioner
        .template_check("drift", 2, "drift_dev")
        .await
        .unwrap_err();
    assert!(error.to_string().ends_with("different: table t"), "{error}");
}

async fn differences_become_statements_that_make_them(server: &'static Server) {
    let blueprint = Blueprint::new(server, "infer").await;
    let mut dev = blueprint.workspace().await;
    let empty = snapshot(&blueprint, "infer_dev").await;
    captured(&mut dev, &many_kinds(server.flavour)).await;
    let full = snapshot(&blueprint, "infer_dev").await;
    let mut states = vec![empty, full];
    for texts in [
        &["ALTER TABLE users DROP COLUMN made, MODIFY born datetime, \
             ADD COLUMN nick varchar(9) FIRST"][..],
        &["ALTER TABLE orders DROP KEY totals, ADD KEY totals (state), COMMENT='x'"],
        &["ALTER TABLE latin CONVERT TO CHARACTER SET utf8mb4"],
        &["ALTER TABLE items DROP FOREIGN KEY of_order"],
        &[
            "ALTER TABLE items ADD CONSTRAINT of_order FOREIGN KEY (order_id) \
             REFERENCES orders (id)",
        ],
        &[
            "ALTER TABLE shards REMOVE PARTITIONING",
            "ALTER TABLE log DROP PARTITION p2025",
        ],
        &[
            "ALTER TABLE docs CHANGE n number double DEFAULT 1.5e3",
            "RENAME TABLE plain_1 TO plane_1",
        ],
        &["ALTER TABLE countries COMMENT='', ROW_FORMAT=COMPRESSED"],
        &["ALTER TABLE users DROP CONSTRAINT mail_is_one, \
             ADD CONSTRAINT short CHECK (born > '1900-01-01')"],
        &[
            "CREATE OR REPLACE VIEW b_users AS SELECT id, mail FROM users",
            "DROP TRIGGER items_a",
            "DROP EVENT once",
            "ALTER EVENT clean ON SCHEDULE EVERY 2 DAY",
            "DROP PROCEDURE noop",
            "CREATE PROCEDURE noop() BEGIN DECLARE i int; END",
        ],
        &[
            "DROP VIEW a_adults",
            "DROP VIEW big",
            "DROP TABLE items",
            "DROP TABLE plain_2",
        ],
        &["ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_bin"],
    ] {
        for text in texts {
            dev.run(text).await;
        }
        states.push(snapshot(&blueprint, "infer_dev").await);
    }
    let own: &[&str] = match server.flavour {
        Flavour::MariaDb => &[
            "ALTER SEQUENCE tickets INCREMENT BY 7 MAXVALUE 5000",
            "ALTER TABLE temporal DROP SYSTEM VERSIONING",
        ],
        Flavour::MySql => &["ALTER TABLE newer DROP KEY fun, ALTER COLUMN hidden SET VISIBLE"],
    };
    for text in own {
        dev.run(text).await;
        states.push(snapshot(&blueprint, "infer_dev").await);
    }
    let mut v: Vec<Version> = Vec::new();
    let _acme = blueprint.tenant("acme", &mut []).await;
    // Forwards, and back to where it was.
    let back: Vec<Snapshot> = states.iter().rev().skip(1).cloned().collect();
    let mut before = states[0].clone();
    for (ordinal, after) in (1..).zip(states.into_iter().skip(1).chain(back)) {
        let keys = before.changed(&after);
        let statements: Vec<Statement> = infer(&before, &after, &keys)
            .into_iter()
            .map(|one| Statement {
                context: Some(one.context),
                captured_at: time::OffsetDateTime::now_utc(),
                ..statement(&one.ddl)
            })
            .collect();
        let texts: Vec<String> = statements.iter().map(|s| s.ddl.clone()).collect();
        v.push(Version {
            ordinal,
            statements,
        });
        blueprint
            .apply("acme", &v)
            .await
            .unwrap_or_else(|failure| panic!("{failure:?}\n{texts:#?}"));
        let made = snapshot(&blueprint, "infer__acme").await;
        let differences = made.changed(&after);
        // A trigger made anew fires last: `order` is no object that a statement makes.
        let real: Vec<&String> = differences
            .iter()
            .filter(|k| !k.starts_with("order "))
            .collect();
        for key in &real {
            eprintln!("{key}:\n{:?}\n{:?}", made.0.get(*key), after.0.get(*key));
        }
        assert!(real.is_empty(), "{real:?}\n{texts:#?}");
        before = after;
    }
}

async fn what_a_crash_left_of_a_tenant_is_made_again(server: &'static Server) {
    let blueprint = Blueprint::new(server, "crashed").await;
    let mut v = versions(&["CREATE TABLE t (x int)", "CREATE VIEW v AS SELECT x FROM t"]);
    blueprint.template(&mut v).await.unwrap();
    for passed in 0..3 {
        let tenant = format!("t{passed}");
        blueprint.mysql().cut().after(Some(passed));
        tokio::select! {
            _ = blueprint.tenant_with(&tenant, 2, (false, false)) => panic!("it was not cut"),
            () = blueprint.mysql().cut().reached() => {}
        }
        // Nobody gets in before it is whole.
        let database = blueprint.database(&tenant);
        let early = server
            .try_login(&database, super::server::PASSWORD, &database)
            .await;
        assert!(early.is_err());
        blueprint
            .tenant_with(&tenant, 2, (false, false))
            .await
            .unwrap();
        let mut client = blueprint.client(&tenant).await;
        assert_eq!(client.value("SELECT COUNT(*) FROM v").await, "0");
    }
}

async fn tables_are_shown(server: &'static Server) {
    let blueprint = Blueprint::new(server, "shown").await;
    let mut dev = blueprint.workspace().await;
    for text in many_kinds(server.flavour) {
        dev.run(&text).await;
    }
    let tables = blueprint.provisioner.tables("shown_dev").await.unwrap();
    let users = tables.iter().find(|table| table.name == "users").unwrap();
    let column = |name: &str| users.columns.iter().find(|c| c.name == name).unwrap();
    assert_eq!(column("id").default.as_deref(), Some("AUTO_INCREMENT"));
    assert!(column("age").nullable && !column("mail").nullable);
    let domain = column("domain").default.clone().unwrap();
    assert!(domain.starts_with("GENERATED ALWAYS AS (") && domain.ends_with(" VIRTUAL"));
    assert_eq!(column("age").default, None);
    assert!(users.indexes.iter().any(|index| index.name == "by_country"));
    assert!(users.constraints.iter().any(|c| {
        c.name == "of_country"
            && c.definition
                .contains("REFERENCES `countries` (`code`) ON DELETE SET NULL")
    }));
    assert!(!tables.iter().any(|table| table.name == "_tenantsdb"));
}

async fn rows_that_a_statement_makes_come_with_a_template(server: &'static Server) {
    let blueprint = Blueprint::new(server, "rows").await;
    let mut v = versions(&[
        "CREATE TABLE plans (id int AUTO_INCREMENT PRIMARY KEY, size int AS (length(name)) STORED, \
         name varchar(9)) AS SELECT 'free' AS name UNION ALL SELECT 'paid'",
        "CREATE TRIGGER g BEFORE INSERT ON plans FOR EACH ROW SET NEW.name = 'changed'",
        "CREATE TABLE t (x int)",
    ]);
    let mut first = blueprint.tenant("first", &mut []).await;
    blueprint.template(&mut v[..1]).await.unwrap();
    let mut third = blueprint.tenant("third", &mut v).await;
    assert_eq!(blueprint.apply("first", &v).await.unwrap().to, 3);
    let sql = "SELECT GROUP_CONCAT(id, size, name ORDER BY id) FROM plans";
    assert_eq!(first.value(sql).await, "14free,24paid");
    assert_eq!(third.value(sql).await, "14free,24paid");
}

async fn a_view_that_lost_its_table_does_not_stop_later_templates(server: &'static Server) {
    let blueprint = Blueprint::new(server, "lost").await;
    let mut v = versions(&[
        "CREATE TABLE t (x int)",
        "CREATE VIEW v AS SELECT x FROM t",
        "ALTER TABLE t RENAME COLUMN x TO y",
        "CREATE OR REPLACE VIEW v AS SELECT y FROM t",
    ]);
    blueprint.template(&mut v[..3]).await.unwrap();
    let refused = blueprint.tenant_with("acme", 3, (false, false)).await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.starts_with("view v cannot be made again"),
        "{refused}"
    );
    let found = blueprint.template(&mut v).await.unwrap();
    assert_eq!(found.len(), 4);
    let mut acme = blueprint.tenant("acme", &mut v).await;
    assert_eq!(acme.value("SELECT COUNT(y) FROM v").await, "0");
}

async fn a_client_that_says_latin1_and_sends_utf8_is_followed(server: &'static Server) {
    let blueprint = Blueprint::new(server, "moji").await;
    let mut dev = blueprint.workspace().await;
    dev.run("SET character_set_client = latin1").await;
    let texts = [
        "CREATE TABLE t (x varchar(9)) COMMENT 'größe'",
        "CREATE PROCEDURE p() SELECT 'größe €'",
        "CREATE VIEW v AS SELECT 'größe €' AS g",
    ];
    let mut v = captured(&mut dev, &texts.map(str::to_owned)).await;
    let _acme = blueprint.tenant("acme", &mut v).await;
    blueprint
        .provisioner
        .template_check("moji", 3, "moji_dev")
        .await
        .unwrap();
    let workspace = snapshot(&blueprint, "moji_dev").await;
    assert_same(&snapshot(&blueprint, "moji__acme").await, &workspace);
    assert!(
        workspace.0["view v"].contains("Ã"),
        "{}",
        workspace.0["view v"]
    );
}
