use std::fs;
use std::os::unix::fs::PermissionsExt;

use clap::CommandFactory;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::client::fake::{Answer, Fake, problem};

const KEY: &str = "tdb_sk_0123456789abcdef_secret";
const ACME: &str = "postgresql://myapp__acme:pw@h:6432/myapp__acme";

/// A home folder and an environment for runs of `tdb`.
struct Home {
    folder: TempDir,
    environment: Environment,
}

struct Ran {
    code: u8,
    out: String,
    err: String,
}

// === impl Home ===

impl Home {
    fn new(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment {
            api_url: Some(url.to_owned()),
            api_key: Some(KEY.to_owned()),
            config_file: Some(folder.path().join("config.json")),
            ..Default::default()
        };
        Self {
            folder,
            environment,
        }
    }

    /// Runs a command line; words are separated by spaces.
    async fn tdb(&self, line: &str) -> Ran {
        self.tdb_with(line, "").await
    }

    async fn tdb_with(&self, line: &str, input: &str) -> Ran {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let streams = Streams {
            input: &mut input.as_bytes(),
            out: &mut out,
            err: &mut err,
        };
        let args = ["tdb"]
            .into_iter()
            .chain(line.split_whitespace())
            .map(OsString::from);
        let code = run(args, self.environment.clone(), streams).await;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran {
            code,
            out: text(out),
            err: text(err),
        }
    }

    fn kept(&self) -> Value {
        let text = fs::read(self.folder.path().join("credentials.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }
}

/// The answers of a small, healthy installation.
fn healthy(line: &str, _nth: usize) -> Answer {
    let deployment = json!({
        "id": "dep_1", "blueprint": "myapp", "version": "1.1", "status": "completed",
        "total": 1, "completed": 1, "failed": 0, "skipped": 0,
        "results": [{
            "tenant": "acme", "status": "completed", "from_version": "1.0",
            "to_version": "1.1", "error": null, "duration_ms": 12,
        }],
    });
    let workspace = json!({
        "name": "myapp", "engine": "PostgreSQL", "database": "myapp_dev", "blueprint": "myapp",
        "version": "1.0", "connection_string": "postgresql://myapp_dev:pw@h:6432/myapp_dev",
        "routed": true, "behind": [],
    });
    let tenant = json!({
        "name": "acme", "status": "active", "routed": true, "behind": [],
        "databases": [{
            "blueprint": "myapp", "engine": "PostgreSQL", "database": "myapp__acme",
            "version": "1.0", "server": "srv_1", "connection_string": ACME,
        }],
    });
    match line {
        "POST /v1/workspaces" => (201, workspace),
        "GET /v1/workspaces/myapp" => (200, workspace),
        "GET /v1/workspaces/myapp/diff" => (
            200,
            json!({ "pending": [{
                "id": "1", "version": "1.1", "origin": "wire",
                "ddl": "ALTER TABLE users ADD COLUMN phone TEXT",
            }]}),
        ),
        "POST /v1/tenants" => (201, tenant),
        "GET /v1/tenants/acme" | "PATCH /v1/tenants/acme/databases/myapp" => (200, tenant),
        "DELETE /v1/tenants/acme" => (202, tenant),
        "POST /v1/deployments" => (202, deployment),
        "GET /v1/deployments/dep_1?limit=1000" | "GET /v1/deployments/dep_1?limit=1" => {
            (200, deployment)
        }
        "GET /v1/blueprints/myapp" => (
            200,
            json!({
                "name": "myapp", "engine": "PostgreSQL", "database": "myapp_dev",
                "version": "1.1", "tenants": 2,
                "versions": [{ "version": "1.1", "created_at": "2026-01-02T03:04:05Z",
                               "statements": [{ "ddl": "CREATE TABLE users (id bigint)" }] }],
                "tables": [{ "schema": "public", "name": "users", "columns": [
                    { "name": "id", "type": "bigint", "nullable": false, "default": null },
                    { "name": "mail", "type": "text", "nullable": true, "default": "''::text" },
                ], "indexes": [], "constraints": [] }],
            }),
        ),
        "GET /v1/tenants?limit=1000" => (200, json!({ "items": [tenant], "next": null })),
        _ => problem(404, "not_found", "there is no such thing"),
    }
}

async fn healthy_home() -> (Fake, Home) {
    let fake = Fake::start(healthy).await;
    let home = Home::new(&fake.url);
    (fake, home)
}

#[test]
fn the_command_tree_is_sound() {
    Cli::command().debug_assert();
}

#[tokio::test]
async fn the_main_commands_ask_for_what_they_say() {
    let (fake, home) = healthy_home().await;
    for (line, asked, body) in [
        (
            "workspaces create --name myapp --database PostgreSQL",
            "POST /v1/workspaces",
            json!({ "name": "myapp", "engine": "PostgreSQL" }),
        ),
        (
            "workspaces create --name myapp --database MySQL --server maria",
            "POST /v1/workspaces",
            json!({ "name": "myapp", "engine": "MySQL", "server": "maria" }),
        ),
        (
            "tenants create --name acme --blueprint myapp --allow-truncate --allow-local-infile",
            "POST /v1/tenants",
            json!({
                "name": "acme", "blueprint": "myapp",
                "allow_truncate": true, "allow_local_infile": true,
            }),
        ),
        (
            "tenants create --name acme --blueprint myapp --pool-mode transaction",
            "POST /v1/tenants",
            json!({ "name": "acme", "blueprint": "myapp", "pool_mode": "transaction" }),
        ),
        (
            "tenants set acme --blueprint myapp --pool-mode session",
            "PATCH /v1/tenants/acme/databases/myapp",
            json!({ "pool_mode": "session" }),
        ),
        (
            "deployments create --blueprint myapp --all --online",
            "POST /v1/deployments",
            json!({ "blueprint": "myapp", "all": true, "online": true }),
        ),
        (
            "workspaces diff myapp",
            "GET /v1/workspaces/myapp/diff",
            Value::Null,
        ),
        (
            "tenants create --name acme --blueprint myapp",
            "POST /v1/tenants",
            json!({ "name": "acme", "blueprint": "myapp" }),
        ),
        (
            "deployments create --blueprint myapp --all",
            "POST /v1/deployments",
            json!({ "blueprint": "myapp", "all": true }),
        ),
        (
            "deployments create --blueprint myapp --tenant acme bob --tenant carl --version 1.1",
            "POST /v1/deployments",
            json!({ "blueprint": "myapp", "version": "1.1", "tenants": ["acme", "bob", "carl"] }),
        ),
        (
            "deployments status dep_1",
            "GET /v1/deployments/dep_1?limit=1000",
            Value::Null,
        ),
        (
            "deployments status dep_1 --watch",
            "GET /v1/deployments/dep_1?limit=1000",
            Value::Null,
        ),
        (
            "blueprints get myapp",
            "GET /v1/blueprints/myapp",
            Value::Null,
        ),
    ] {
        let ran = home.tdb(line).await;
        assert_eq!(ran.code, 0, "{line}: {}", ran.err);
        let last = fake.asked().pop().unwrap();
        assert_eq!((last.line.as_str(), last.body), (asked, body), "{line}");
    }
}

#[tokio::test]
async fn a_diff_reads_as_the_walk_says() {
    let (_fake, home) = healthy_home().await;
    let ran = home.tdb("workspaces diff myapp").await;
    let expected = "Pending DDL Changes:\n  1. ALTER TABLE users ADD COLUMN phone TEXT;\n";
    assert_eq!((ran.out.as_str(), ran.err.as_str()), (expected, ""));
    let ran = home.tdb("workspaces diff myapp --quiet").await;
    assert_eq!(ran.out, "ALTER TABLE users ADD COLUMN phone TEXT;\n");
}

#[tokio::test]
async fn an_issued_connection_string_is_printed_and_kept_for_its_owner_alone() {
    let (_fake, home) = healthy_home().await;
    let ran = home
        .tdb("tenants create --name acme --blueprint myapp --no-save")
        .await;
    assert!(
        ran.out.starts_with("✓ Tenant 'acme' created\n"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains(ACME));
    assert_eq!(home.kept(), Value::Null);

    let ran = home
        .tdb("--quiet tenants create --name acme --blueprint myapp")
        .await;
    assert_eq!((ran.out, ran.err), (format!("{ACME}\n"), String::new()));
    assert_eq!(home.kept(), json!({ "myapp__acme": ACME }));
    let path = home.folder.path().join("credentials.json");
    assert_eq!(
        fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let ran = home.tdb("tenants delete acme --yes").await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(home.kept(), json!({}));
}

#[tokio::test]
async fn proxies_that_are_behind_are_named() {
    let fake = Fake::start(|line, nth| {
        let (status, mut answer) = healthy(line, nth);
        answer["routed"] = json!(false);
        answer["behind"] = json!(["edge-1"]);
        (status, answer)
    })
    .await;
    let home = Home::new(&fake.url);
    let ran = home
        .tdb("tenants create --name acme --blueprint myapp")
        .await;
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("edge-1"), "{}", ran.err);
    let ran = home
        .tdb("tenants create --name acme --blueprint myapp --json")
        .await;
    assert_eq!(ran.err, "", "the document says it");
}

#[tokio::test]
async fn an_answer_without_password_says_how_to_get_one() {
    let fake = Fake::start(|line, nth| {
        let (status, mut answer) = healthy(line, nth);
        let bare = json!("postgresql://myapp__acme@h:6432/myapp__acme");
        answer["databases"][0]["connection_string"] = bare;
        (status, answer)
    })
    .await;
    let home = Home::new(&fake.url);
    let ran = home
        .tdb("tenants create --name acme --blueprint myapp")
        .await;
    assert!(
        ran.err.contains("tdb credentials rotate myapp__acme"),
        "{}",
        ran.err
    );
    assert_eq!(home.kept(), Value::Null);
}

#[tokio::test]
async fn each_kind_of_failure_has_its_exit_code() {
    for (status, code, exit) in [
        (404, "not_found", 3),
        (409, "conflict", 4),
        (401, "unauthorized", 5),
        (403, "forbidden", 5),
        (400, "invalid_name", 1),
        (502, "server_unreachable", 1),
        (500, "internal", 1),
    ] {
        let fake = Fake::start(move |_, _| problem(status, code, "the reason")).await;
        let ran = Home::new(&fake.url).tdb("tenants get acme").await;
        assert_eq!(ran.code, exit, "{code}");
        assert!(
            ran.err
                .starts_with("✗ Showing tenant 'acme' failed\n  the reason\n"),
            "{}",
            ran.err
        );
        assert_eq!(ran.out, "");
    }
}

#[tokio::test]
async fn a_failure_as_json_is_the_problem_document_on_standard_error() {
    let (_, document) = problem(404, "not_found", "no tenant acme");
    let fake = Fake::start(|_, _| problem(404, "not_found", "no tenant acme")).await;
    let ran = Home::new(&fake.url).tdb("tenants get acme --json").await;
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    assert_eq!(serde_json::from_str::<Value>(&ran.err).unwrap(), document);
}

#[tokio::test]
async fn the_hint_of_the_service_comes_before_our_own() {
    let fake = Fake::start(|_, _| {
        (
            409,
            json!({ "code": "no_server", "detail": "none fits", "hint": "add one" }),
        )
    })
    .await;
    let ran = Home::new(&fake.url)
        .tdb("tenants create --name a --blueprint b")
        .await;
    assert_eq!(
        ran.err,
        "✗ Creating tenant 'a' failed\n  none fits\n  → add one\n"
    );
}

#[tokio::test]
async fn a_service_that_is_away_has_its_own_code_and_advice() {
    let home = Home::new("http://127.0.0.1:1");
    let ran = home.tdb("tenants list").await;
    assert_eq!(ran.code, 6);
    assert!(
        ran.err
            .contains("cannot reach control at http://127.0.0.1:1"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("TDB_API_URL"), "{}", ran.err);
    let ran = home.tdb("tenants list --json").await;
    assert_eq!(
        serde_json::from_str::<Value>(&ran.err).unwrap()["code"],
        "unreachable"
    );
}

#[tokio::test]
async fn without_address_and_key_the_ways_to_set_them_are_named() {
    let mut home = Home::new("");
    home.environment.api_url = None;
    home.environment.api_key = None;
    let ran = home.tdb("tenants list").await;
    assert_eq!(ran.code, 2);
    for way in ["TDB_API_URL", "TDB_API_KEY", "tdb config set"] {
        assert!(ran.err.contains(way), "{}", ran.err);
    }
}

#[tokio::test]
async fn configuration_is_kept_private_and_shown_masked() {
    let (fake, mut home) = healthy_home().await;
    home.environment.api_url = None;
    home.environment.api_key = None;
    let ran = home
        .tdb_with(
            &format!("config set --api-url {} --api-key-stdin", fake.url),
            KEY,
        )
        .await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let path = home.folder.path().join("config.json");
    assert_eq!(
        fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(home.tdb("tenants list").await.code, 0);

    let ran = home.tdb("config show").await;
    assert!(
        ran.out.contains("tdb_sk_0123456789abcdef_..."),
        "{}",
        ran.out
    );
    assert!(ran.out.contains(&fake.url));
    for line in ["config show", "config show --json", "config show --quiet"] {
        assert!(!home.tdb(line).await.out.contains("_secret"), "{line}");
    }

    home.environment.api_url = Some("http://127.0.0.1:1".to_owned());
    assert_eq!(
        home.tdb("tenants list").await.code,
        6,
        "environment before file"
    );
    let ran = home
        .tdb(&format!("tenants list --api-url {}", fake.url))
        .await;
    assert_eq!(ran.code, 0, "argument before environment");
}

#[tokio::test]
async fn a_watched_deployment_that_fails_is_a_failure() {
    let fake = Fake::start(|line, nth| {
        let (status, mut answer) = healthy(line, nth);
        answer["status"] = json!(if nth == 0 { "running" } else { "failed" });
        answer["failed"] = json!(1);
        answer["completed"] = json!(0);
        (status, answer)
    })
    .await;
    let home = Home::new(&fake.url);
    let ran = home.tdb("deployments status dep_1 --watch").await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.starts_with("1/1 done, 1 failed\n"),
        "a line, no bar: {}",
        ran.err
    );
    assert!(ran.err.contains("1 of 1 tenant failed"), "{}", ran.err);
    assert!(ran.out.contains("status:     failed"), "{}", ran.out);
    assert_eq!(
        home.tdb("deployments status dep_1").await.code,
        0,
        "looking is no failure"
    );
}

#[tokio::test]
async fn a_password_cannot_be_an_argument() {
    let (fake, mut home) = healthy_home().await;
    let line = "servers add --engine PostgreSQL --address h:5432 --user postgres";
    let ran = home.tdb(&format!("{line} --password secret")).await;
    assert_eq!(ran.code, 2);
    let ran = home.tdb(line).await;
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("TDB_SERVER_PASSWORD"), "{}", ran.err);
    assert_eq!(fake.asked().len(), 0);

    home.environment.server_password = Some("by env".to_owned());
    home.tdb(line).await;
    home.tdb_with(&format!("{line} --password-stdin"), "by stdin\n")
        .await;
    let file = home.folder.path().join("password");
    fs::write(&file, "by file\n").unwrap();
    home.tdb(&format!("{line} --password-file {}", file.display()))
        .await;
    let passwords: Vec<_> = fake
        .asked()
        .iter()
        .map(|a| a.body["password"].clone())
        .collect();
    assert_eq!(passwords, ["by env", "by stdin", "by file"]);
}

#[tokio::test]
async fn nothing_is_destroyed_without_a_yes() {
    let (fake, mut home) = healthy_home().await;
    let deletes = || {
        fake.lines()
            .iter()
            .filter(|line| line.starts_with("DELETE"))
            .count()
    };
    let ran = home.tdb("tenants delete acme").await;
    assert_eq!((ran.code, deletes()), (2, 0));
    assert!(ran.err.contains("--yes"), "{}", ran.err);

    home.environment.stdin_is_terminal = true;
    assert_eq!(home.tdb_with("tenants delete acme", "no\n").await.code, 2);
    assert_eq!(deletes(), 0);
    let ran = home.tdb_with("tenants delete acme", "acme\n").await;
    assert_eq!((ran.code, deletes()), (0, 1), "{}", ran.err);
    assert!(
        ran.err.contains("myapp__acme"),
        "the question names what goes: {}",
        ran.err
    );
}

#[tokio::test]
async fn a_blueprint_shows_its_tables_and_columns() {
    let (_fake, home) = healthy_home().await;
    let ran = home.tdb("blueprints get myapp").await;
    assert_eq!(
        ran.out,
        "Blueprint 'myapp'
  engine:     PostgreSQL
  workspace:  myapp_dev
  version:    1.1
  tenants:    2

Versions:
VERSION  STATEMENTS  CREATED
1.1      1           2026-01-02T03:04:05Z

Tables:
public.users
  COLUMN  TYPE    NULL  DEFAULT
  id      bigint  no    -
  mail    text    yes   ''::text
"
    );
}

#[tokio::test]
async fn connect_knows_a_database_by_its_name() {
    let (fake, home) = healthy_home().await;
    let ran = home.tdb("connect acme").await;
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("BLUEPRINT__TENANT"), "{}", ran.err);
    assert_eq!(home.tdb("connect myapp__nobody").await.code, 3);
    assert_eq!(fake.lines(), ["GET /v1/tenants/nobody"]);
}

#[tokio::test]
async fn a_mysql_tenant_is_told_of_a_mysql_client() {
    let fake = Fake::start(|line, nth| {
        let (status, mut answer) = healthy(line, nth);
        answer["databases"][0]["engine"] = json!("MySQL");
        answer["databases"][0]["allow_truncate"] = json!(true);
        (status, answer)
    })
    .await;
    let ran = Home::new(&fake.url)
        .tdb("tenants create --name acme --blueprint myapp --no-save")
        .await;
    assert!(
        ran.out
            .contains("open a MySQL client on it: tdb connect myapp__acme"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("truncate:           allowed"),
        "{}",
        ran.out
    );
}

#[tokio::test]
async fn json_is_the_answer_as_it_came() {
    let (_fake, home) = healthy_home().await;
    let ran = home.tdb("tenants get acme --json").await;
    let body: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(body, healthy("GET /v1/tenants/acme", 0).1);
    let ran = home.tdb("tenants list --json").await;
    assert_eq!(
        serde_json::from_str::<Value>(&ran.out).unwrap()["items"][0],
        body
    );
}

#[tokio::test]
async fn wrong_usage_is_code_2_and_help_is_none() {
    let home = Home::new("http://127.0.0.1:1");
    for line in [
        "nonsense",
        "tenants create",
        "deployments create --blueprint b",
        "tenants list --limit 0",
    ] {
        let ran = home.tdb(line).await;
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{line}");
    }
    let ran = home
        .tdb("deployments create --blueprint b --all --tenant a")
        .await;
    assert_eq!(ran.code, 2, "all or some, not both");
    let ran = home.tdb("--help").await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("Exit codes:"));
    assert_eq!(
        home.tdb("version").await.out,
        concat!("tdb v", env!("CARGO_PKG_VERSION"), "\n")
    );
}
