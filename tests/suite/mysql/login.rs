//! Who has the password gets in, whatever the database server remembers of it; nobody else does,
//! and cannot tell why.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use tenantsdb_tests::mysql::server::ADMIN_PASSWORD;
use tenantsdb_tests::mysql::{Cli, Database, Flavour, Session};
use tenantsdb_tests::{MySqlFleet, Run, wait};

use super::Blueprint;

on_both!(
    logins_work_whatever_the_server_has_forgotten,
    a_pool_grows_while_the_server_has_forgotten_the_password,
    sessions_and_old_passwords_end_with_a_rotation,
    a_suspended_tenant_is_told_so_and_only_with_its_password,
    wrong_password_user_and_database_are_told_apart_by_nobody,
    what_is_at_rest_logs_in_nowhere,
    a_server_that_is_away_is_named_as_such,
);

/// How a server comes to forget what it knew of a password, or the password changes.
#[derive(Clone, Copy, Debug)]
enum Event {
    Restart,
    FlushPrivileges,
    Rotation,
}

#[derive(Clone, Copy, Debug)]
enum Pool {
    /// The proxy has a connection of this login that nobody uses.
    Idle,
    /// The proxy was just started, and knows nothing but its routes.
    Empty,
}

/// A fleet with a server of its own: it is restarted.
fn own(test: &str, flavour: Flavour) -> (Blueprint, Database) {
    let blueprint = Blueprint::of(MySqlFleet::own(test, flavour, 1));
    blueprint.workspace.run("CREATE TABLE a (id INT)");
    let tenant = blueprint.tenant("acme");
    (blueprint, tenant)
}

fn quit(mut session: Session) {
    session.command(1, b"").unwrap();
    let _ = session.receive();
}

fn rotate(fleet: &MySqlFleet, database: &str) -> Database {
    let path = format!("/v1/credentials/{database}/rotate");
    let rotated = fleet.api.post(&path, &json!({})).expect(200);
    assert_eq!(rotated["routed"], true, "{rotated:#}");
    Database::issued(&rotated["connection_string"])
}

fn logins_work_whatever_the_server_has_forgotten(flavour: Flavour) {
    let (mut blueprint, mut tenant) = own("mysql_login_matrix", flavour);
    let ca = blueprint.fleet.proxies[0].ca();
    for event in [Event::Restart, Event::FlushPrivileges, Event::Rotation] {
        for pool in [Pool::Idle, Pool::Empty] {
            for tls in [false, true] {
                let case = format!("{event:?}, {pool:?} pool, TLS: {tls}");
                // A connection that has served.
                quit(tenant.session());
                let fleet = &mut blueprint.fleet;
                if let (Pool::Empty, Event::Restart) = (pool, event) {
                    fleet.proxies[0].stop();
                }
                match event {
                    Event::Restart => {
                        fleet.server.stop();
                        fleet.server.resume();
                    }
                    Event::FlushPrivileges => {
                        fleet.server.admin().query("FLUSH PRIVILEGES");
                    }
                    Event::Rotation => tenant = rotate(fleet, &tenant.name),
                }
                if let Pool::Empty = pool {
                    fleet.proxies[0].stop();
                    fleet.proxies[0].resume();
                }
                let login = |tenant: &Database| match tls {
                    true => tenant.session_tls(&ca),
                    false => tenant.session(),
                };
                let mut sessions: Vec<Session> = (0..3).map(|_| login(&tenant)).collect();
                for session in &mut sessions {
                    assert_eq!(session.one("SELECT DATABASE()"), tenant.name, "{case}");
                }
                println!("{case}: {:?}", sessions[0].methods);
                let wrong = tenant.with_password("wrong").refused();
                assert_eq!(wrong.number, 1045, "{case}: {wrong}");
                // The clients that people have go the same way.
                let local = tenant.at(&tenant.address.replace("127.0.0.1", "localhost"));
                let mut command = match tls {
                    true => Cli(flavour).tls(&local, &ca),
                    false => Cli(flavour).plain(&local),
                };
                let run = Run::of(command.args(["-e", "SELECT COUNT(*) FROM a"]));
                assert_eq!(run.out(), "0", "{case}");
            }
        }
    }
}

/// The proxy has one connection, and no password: the next ones have to ask their client for it.
fn a_pool_grows_while_the_server_has_forgotten_the_password(flavour: Flavour) {
    let (mut blueprint, tenant) = own("mysql_login_grow", flavour);
    let fleet = &mut blueprint.fleet;
    fleet.proxies[0].stop();
    fleet.proxies[0].resume();
    quit(tenant.session());
    fleet.server.admin().query("FLUSH PRIVILEGES");
    let ca = fleet.proxies[0].ca();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|n| {
                let (tenant, ca) = (&tenant, &ca);
                scope.spawn(move || {
                    let mut session = match n % 2 {
                        0 => tenant.session(),
                        _ => tenant.session_tls(ca),
                    };
                    let nonce = format!("client {n}");
                    assert_eq!(session.one(&format!("SELECT '{nonce}'")), nonce);
                    session
                })
            })
            .collect();
        let sessions = clients.into_iter().map(|client| client.join().unwrap());
        assert_eq!(sessions.count(), 8);
    });
}

fn sessions_and_old_passwords_end_with_a_rotation(flavour: Flavour) {
    let blueprint = Blueprint::of(MySqlFleet::shared("mysql_login_rotate", flavour, 2));
    blueprint.workspace.run("CREATE TABLE a (id INT)");
    let old = blueprint.tenant("acme");
    let addresses: Vec<String> = blueprint
        .fleet
        .proxies
        .iter()
        .map(|proxy| proxy.mysql_address(flavour))
        .collect();
    let mut sessions: Vec<Session> = addresses.iter().map(|a| old.at(a).session()).collect();
    let new = rotate(&blueprint.fleet, &old.name);
    for address in &addresses {
        assert_eq!(old.at(address).refused().number, 1045);
        assert_eq!(new.at(address).one("SELECT COUNT(*) FROM a"), "0");
    }
    for session in &mut sessions {
        assert!(session.try_query("SELECT 1").is_err(), "it was not ended");
    }
    // Neither does the server itself take the old one.
    let server = blueprint.fleet.server.address();
    assert_eq!(old.at(&server).refused().number, 1045);
    assert_eq!(new.at(&server).one("SELECT 1"), "1");
}

fn a_suspended_tenant_is_told_so_and_only_with_its_password(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_login_suspend", flavour);
    blueprint.workspace.run("CREATE TABLE a (id INT)");
    let tenant = blueprint.tenant("acme");
    let mut session = tenant.session();
    let api = &blueprint.fleet.api;
    let suspended = api.post("/v1/tenants/acme/suspend", &json!({})).expect(200);
    assert_eq!(suspended["status"], "suspended", "{suspended:#}");
    assert!(session.try_query("SELECT 1").is_err(), "it was not ended");
    let locked = match flavour {
        Flavour::MariaDb => 4151,
        Flavour::MySql => 3118,
    };
    assert_eq!(tenant.refused().number, locked);
    assert_eq!(tenant.with_password("wrong").refused().number, 1045);
    let direct = tenant.at(&blueprint.fleet.server.address());
    assert_eq!(direct.refused().number, locked);
    let resumed = api.post("/v1/tenants/acme/resume", &json!({})).expect(200);
    assert_eq!(resumed["status"], "active", "{resumed:#}");
    assert_eq!(tenant.one("SELECT COUNT(*) FROM a"), "0");
}

fn wrong_password_user_and_database_are_told_apart_by_nobody(flavour: Flavour) {
    let blueprint = Blueprint::start("mysql_login_refused", flavour);
    blueprint.workspace.run("CREATE TABLE a (id INT)");
    let tenant = blueprint.tenant("acme");
    let other = blueprint.tenant("globex");
    let plugins = [
        None,
        Some("mysql_native_password"),
        Some("caching_sha2_password"),
    ];
    for plugin in plugins {
        let transcript = |user: &str, password: &str, database: Option<&str>| {
            let mut login = tenant.login();
            login.user = user.to_owned();
            login.password = password.to_owned();
            login.database = database.map(str::to_owned);
            login.plugin = plugin;
            let said = login.transcript(&tenant.address);
            // The name is the client's own.
            let said = said.join("\n").replace(user, "USER");
            assert!(said.contains("ERROR 1045 (28000)"), "{said}");
            said
        };
        let name = Some(tenant.name.as_str());
        let wrong = transcript(&tenant.user, "wrong", name);
        let same = [
            ("an unknown user", transcript("nobody", "wrong", name)),
            (
                "an unknown user with the password",
                transcript("nobody", &tenant.password, name),
            ),
            (
                "an unknown database",
                transcript(&tenant.user, &tenant.password, Some("nowhere")),
            ),
            (
                "another's database",
                transcript(&tenant.user, &tenant.password, Some(&other.name)),
            ),
            (
                "another's user",
                transcript(&other.user, &tenant.password, name),
            ),
            (
                "both unknown",
                transcript("nobody", "wrong", Some("nowhere")),
            ),
            ("no database", transcript(&tenant.user, "wrong", None)),
            ("no database, unknown", transcript("nobody", "wrong", None)),
            (
                "the server's admin",
                transcript("admin", ADMIN_PASSWORD, Some("mysql")),
            ),
            (
                "a deploy account",
                transcript(&deploy_account(&tenant.name), "wrong", name),
            ),
            (
                "the workspace",
                transcript(&blueprint.workspace.user, "wrong", None),
            ),
        ];
        for (what, said) in same {
            assert_eq!(said, wrong, "{what}, {plugin:?}");
        }
    }
    // The text is MySQL's own.
    let error = tenant.with_password("wrong").refused();
    let text = format!("Access denied for user '{}'@", tenant.user);
    assert!(
        error.text.to_lowercase().contains(&text.to_lowercase()),
        "{error}"
    );
    assert!(error.text.contains("using password: YES"), "{error}");
}

/// The account that owns a database's objects.
fn deploy_account(database: &str) -> String {
    let digest = Sha256::digest(database);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("d_{}", &hex[..20])
}

fn what_is_at_rest_logs_in_nowhere(flavour: Flavour) {
    let (mut blueprint, tenant) = own("mysql_login_rest", flavour);
    quit(tenant.session());
    let rotated = rotate(&blueprint.fleet, &tenant.name);
    quit(rotated.session());
    blueprint.workspace.run("ALTER TABLE a ADD COLUMN b INT");
    let id = blueprint.fleet.deploy(&blueprint.name);
    let end = blueprint.fleet.deployed(&id);
    assert_eq!(end["status"], "completed", "{end:#}");
    let fleet = &mut blueprint.fleet;
    let proxy = &fleet.proxies[0];
    wait::until("the snapshot to be on disk", || {
        proxy.keeps(&tenant.name).then_some(())
    });
    let token = fs::read_to_string(fleet.control.proxy_token_file()).unwrap();
    fleet.proxies[0].stop();
    fleet.control.stop();
    fleet.server.stop();

    // No file has a password in it: store, snapshot, journal, logs, the server's own data.
    let secrets = [
        blueprint.workspace.password.as_str(),
        &tenant.password,
        &rotated.password,
        token.trim(),
    ];
    let mut files = files_below(fleet.dir());
    files.retain(|file| file != fleet.control.proxy_token_file());
    let own = |name: &str| files.iter().find(|file| file.ends_with(name));
    let snapshot = own("routes.jsonl").expect("a snapshot").clone();
    let store = own("control.db").expect("a store").clone();
    files.extend(files_below(fleet.server.data()));
    for file in &files {
        let bytes = fs::read(file).unwrap();
        let secrets = secrets.iter().chain([&ADMIN_PASSWORD]);
        // The admin login is the one thing that the test's own server was made with.
        for secret in secrets.filter(|s| **s != ADMIN_PASSWORD || file == &store) {
            let found = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "{} holds {}…", file.display(), &secret[..8]);
        }
    }

    // What is there proves nothing: not as a password, not in the place of the password's hash.
    let snapshot = fs::read_to_string(snapshot).unwrap();
    let stored = String::from_utf8_lossy(&fs::read(store).unwrap()).into_owned();
    fleet.server.resume();
    fleet.control.resume();
    fleet.proxies[0].resume();
    let prefix = format!("{}$", flavour.plugin());
    let mut verifiers: Vec<String> = [snapshot, stored]
        .iter()
        .flat_map(|text| text.split(&prefix).skip(1))
        .map(|rest| rest.chars().take_while(char::is_ascii_hexdigit).collect())
        .collect();
    verifiers.sort();
    verifiers.dedup();
    assert!(verifiers.len() >= 2, "{verifiers:?}");
    let server = fleet.server.address();
    for verifier in &verifiers {
        for address in [&rotated.address, &server] {
            let words = [
                verifier.clone(),
                verifier.to_lowercase(),
                format!("*{verifier}"),
                format!("{prefix}{verifier}"),
            ];
            for word in words {
                let refused = rotated.at(address).with_password(&word).refused();
                assert_eq!(refused.number, 1045, "{refused}");
            }
            let login = rotated.at(address).login();
            let forged = login.with_proof(address, |nonce| forged(flavour, verifier, nonce));
            let answer = forged.first().copied();
            // An error, or the question for the password that nobody here has.
            assert!(matches!(answer, Some(0xff | 1)), "{forged:?}");
            if answer == Some(1) {
                assert_eq!(forged[1], 4, "{forged:?}");
            }
        }
    }
    assert_eq!(rotated.one("SELECT 1"), "1");
}

/// A proof made with what is stored in the place of what the password gives.
fn forged(flavour: Flavour, verifier: &str, nonce: &[u8]) -> Vec<u8> {
    let bytes = |n: usize| u8::from_str_radix(&verifier[n..n + 2], 16).unwrap();
    let stored: Vec<u8> = (0..verifier.len()).step_by(2).map(bytes).collect();
    let mask = match flavour {
        Flavour::MariaDb => {
            let twice = Sha1::digest(&stored);
            let mask = Sha1::new().chain_update(nonce).chain_update(twice);
            mask.finalize().to_vec()
        }
        Flavour::MySql => {
            let twice = Sha256::digest(&stored);
            let mask = Sha256::new().chain_update(twice).chain_update(nonce);
            mask.finalize().to_vec()
        }
    };
    stored
        .iter()
        .zip(mask)
        .map(|(byte, mask)| byte ^ mask)
        .collect()
}

/// Every file below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.is_file() => found.push(path),
                _ => {}
            }
        }
    }
    found
}

fn a_server_that_is_away_is_named_as_such(flavour: Flavour) {
    let (blueprint, tenant) = own("mysql_login_away", flavour);
    let mut session = tenant.session();
    blueprint.fleet.server.stop();
    let error = session.try_query("SELECT 1");
    assert!(error.is_err(), "{error:?}");
    let refused = tenant.refused();
    assert_eq!(refused.number, 2003, "{refused}");
    // Still nobody learns whether a password is right.
    assert_eq!(tenant.with_password("wrong").refused().number, 1045);
    blueprint.fleet.server.resume();
    assert_eq!(tenant.one("SELECT COUNT(*) FROM a"), "0");
}
