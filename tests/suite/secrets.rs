//! Nothing that is written anywhere can log in: stores, snapshots and logs hold verifiers.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tenantsdb_tests::postgres::ADMIN_PASSWORD;
use tenantsdb_tests::{Database, Fleet, wait};

#[test]
fn no_secret_is_at_rest_or_in_a_log() {
    let mut fleet = Fleet::start("secrets", 1);
    let workspace = fleet.workspace("myapp");
    workspace.psql("CREATE TABLE users (id int)").ok();
    let acme = fleet.tenant("myapp", "acme");
    acme.psql("INSERT INTO users VALUES (1)").ok();
    let rotated = fleet
        .api
        .post("/v1/credentials/myapp__acme/rotate", &json!({}));
    let rotated = Database::issued(&rotated.expect(200)["connection_string"]);
    rotated.psql("SELECT 1").ok();
    workspace.psql("ALTER TABLE users ADD COLUMN a int").ok();
    let end = fleet.deployed(&fleet.deploy("myapp"));
    assert_eq!(end["status"], "completed", "{end:#}");
    let proxy = &fleet.proxies[0];
    wait::until("the snapshot to be on disk", || {
        proxy.keeps(&acme.name).then_some(())
    });
    let token = fs::read_to_string(fleet.control.proxy_token_file()).unwrap();
    fleet.proxies[0].stop();
    fleet.control.stop();

    let secrets = [
        workspace.password.as_str(),
        &acme.password,
        &rotated.password,
        &fleet.control.api_key,
        token.trim(),
        ADMIN_PASSWORD,
    ];
    let files = files_below(fleet.dir(), fleet.control.proxy_token_file());
    let looked_at = [
        "control.db",
        "routes.jsonl",
        "postgres.log",
        "control.log",
        "proxy-1.log",
    ];
    for name in looked_at {
        assert!(
            files.iter().any(|file| file.ends_with(name)),
            "{name} of {files:?}"
        );
    }
    for file in &files {
        let bytes = fs::read(file).unwrap();
        for secret in secrets {
            let found = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "{} holds {}…", file.display(), &secret[..8]);
        }
    }

    // The server logs the statements that make roles: with verifiers, never with passwords.
    let log = fs::read_to_string(fleet.dir().join("postgres.log")).unwrap();
    let passwords: Vec<&str> = log.split("PASSWORD ").skip(1).collect();
    assert!(!passwords.is_empty());
    for password in passwords {
        assert!(password.starts_with("'SCRAM-SHA-256$"), "{password:.60}");
    }
}

/// Every file below a folder but one.
fn files_below(folder: &Path, but: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path != but => found.push(path),
                _ => {}
            }
        }
    }
    found
}
