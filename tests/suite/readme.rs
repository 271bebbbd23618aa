//! The README's walk works as it is printed, from an empty home, on `make dev` itself; and what
//! `make dev` promises about its end and its second run.
//!
//! The walk is every fenced block behind a line `<!-- walk -->`, run in order in one shell. A block
//! behind `<!-- walk: output -->` is what the commands before it print. `<!-- walk: start -->`
//! marks the command that starts everything.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tenantsdb_tests::guard::Guard;
use tenantsdb_tests::process::Process;
use tenantsdb_tests::{Run, paths, ports, wait};

/// `make dev` in a folder of its own.
struct Dev {
    folder: PathBuf,
    ports: [u16; 6],
    process: Option<Process>,
    /// The parts run in sessions of their own, out of reach of whoever kills `make`.
    _guard: Guard,
}

impl Dev {
    fn new(test: &str) -> Self {
        let folder = paths::scratch(test);
        let script = "kill \"$(cat \"$1\"/.dev/lock)\"; sleep 10; \
                      for file in \"$1\"/.dev/*.pid; do kill -9 \"$(cat \"$file\")\"; done";
        Self {
            _guard: Guard::new(script, &[folder.to_str().unwrap()]),
            folder,
            ports: std::array::from_fn(|_| ports::free()),
            process: None,
        }
    }

    /// The command `make dev` with its own ports and folder, on the programs that are built
    /// already.
    fn command(&self) -> Command {
        let mut command = Command::new("make");
        command
            .args(["--no-print-directory", "-C"])
            .arg(paths::repository())
            .arg("dev")
            .env("TENANTSDB_DEV_DIR", self.state())
            .env("TENANTSDB_DEV_BIN", paths::build_output())
            .env("TENANTSDB_DEV_POSTGRES_PORT", self.ports[0].to_string())
            .env("TENANTSDB_DEV_CONTROL_PORT", self.ports[1].to_string())
            .env("TENANTSDB_DEV_ADMIN_PORT", self.ports[2].to_string())
            .env("TENANTSDB_DEV_MARIADB_PORT", self.ports[3].to_string())
            .env("TENANTSDB_DEV_REDIS_PORT", self.ports[4].to_string())
            .env("TENANTSDB_DEV_MONGO_PORT", self.ports[5].to_string());
        command
    }

    fn state(&self) -> PathBuf {
        self.folder.join(".dev")
    }

    fn start(&mut self) {
        let ready = self.state().join("ready");
        // One that was killed leaves it behind.
        let _ = fs::remove_file(&ready);
        let mut process = Process::spawn("make-dev", &self.folder, &mut self.command());
        process.wait_ready(|| ready.exists().then_some(()));
        self.process = Some(process);
    }

    /// Ctrl-C, as a terminal sends it: to `make` and to the script.
    fn stop(&mut self) {
        let process = self.process.take().expect("it was started");
        let script = child_of(process.id());
        kill(script, "INT");
        process.stop(Signal::INT);
        wait::until("the script to end", || (!alive(script)).then_some(()));
    }

    /// Runs a script in bash in the folder, with an empty home of its own.
    fn bash(&self, script: &str) -> Run {
        let home = self.folder.join("home");
        fs::create_dir_all(&home).unwrap();
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(&self.folder)
            .env("HOME", home)
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null());
        Run::of(&mut command)
    }

    /// Process ids of PostgreSQL, control, proxy, MariaDB, Redis and MongoDB.
    fn parts(&self) -> Vec<u32> {
        let id = |name: &str| {
            let file = self.state().join(format!("{name}.pid"));
            fs::read_to_string(file).unwrap().trim().parse().unwrap()
        };
        ["postgres", "control", "proxy", "mariadb", "redis", "mongo"]
            .map(id)
            .to_vec()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.stop();
        }
        for file in [
            "proxy.pid",
            "control.pid",
            "redis.pid",
            "mongo.pid",
            "mariadb.pid",
            "postgres.pid",
        ] {
            if let Ok(pid) = fs::read_to_string(self.state().join(file)) {
                let _ = Run::of(Command::new("kill").args(["-9", pid.trim()]));
            }
        }
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn kill(pid: u32, signal: &str) {
    let mut command = Command::new("kill");
    Run::of(command.args(["-s", signal, &pid.to_string()])).ok();
}

fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn child_of(pid: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let first = children
        .split_whitespace()
        .next()
        .expect("make runs a script");
    first.parse().unwrap()
}

/// A marked block of the README.
#[derive(Debug, PartialEq, Eq)]
enum Block {
    Start(String),
    Commands(String),
    Output(String),
}

fn walk(readme: &str) -> Vec<Block> {
    let marked = readme.split("<!-- walk").skip(1);
    let block = |part: &str| {
        let (mark, rest) = part.split_once("-->\n").expect("the mark is a line");
        let rest = rest.strip_prefix("```").expect("a fenced block follows");
        let (_, rest) = rest.split_once('\n').expect("the fence is a line");
        let (text, _) = rest.split_once("```").expect("the fence is closed");
        match mark.trim() {
            "" => Block::Commands(text.to_owned()),
            ": output" => Block::Output(text.to_owned()),
            ": start" => Block::Start(text.to_owned()),
            other => panic!("an unknown mark in the README: {other}"),
        }
    };
    marked.map(block).collect()
}

#[test]
fn the_walk_of_the_readme_works_as_printed() {
    let readme = fs::read_to_string(paths::repository().join("README.md")).unwrap();
    let blocks = walk(&readme);
    assert_eq!(blocks[0], Block::Start("make dev\n".to_owned()));

    let mut dev = Dev::new("readme");
    dev.start();
    // One shell for all commands, as a reader has; a mark between blocks tells their output apart.
    let mut script = String::new();
    for block in &blocks {
        match block {
            Block::Start(_) => {}
            Block::Commands(text) => script.push_str(&format!("{text}echo '--- end of block'\n")),
            Block::Output(text) => script.push_str(&format!(": expected: {text:?}\n")),
        }
    }
    let printed = dev.bash(&script).out();
    let mut outputs = printed.split("--- end of block");
    let mut last = "";
    for block in &blocks {
        match block {
            Block::Start(_) => {}
            Block::Commands(_) => last = outputs.next().expect("one for each block"),
            Block::Output(expected) => {
                assert!(
                    last.contains(expected.trim_end()),
                    "expected:\n{expected}in:\n{last}"
                );
            }
        }
    }

    // What the walk says has happened, told by the databases.
    for tenant in ["acme", "globex", "initech"] {
        let sql = "SELECT table_name || '.' || column_name FROM information_schema.columns
                   WHERE table_schema = 'public' ORDER BY 1";
        let script = format!(". .dev/env; tdb connect myapp__{tenant} -- -At -c \"{sql}\"");
        let columns = dev.bash(&script).out();
        for column in ["users.phone", "orders.user_id"] {
            assert!(
                columns.lines().any(|line| line == column),
                "{tenant}: {columns}"
            );
        }
    }
    for tenant in ["acme", "globex", "initech"] {
        let script = format!(". .dev/env; tdb connect shop__{tenant} -- -NBe 'DESCRIBE users'");
        let columns = dev.bash(&script).out();
        assert!(
            columns.contains("phone\tvarchar(40)"),
            "{tenant}: {columns}"
        );
    }
    let rows = dev.bash(". .dev/env; tdb connect shop__globex -- -NBe 'SELECT email FROM users'");
    assert_eq!(rows.out(), "ada@globex.example");
    let keys = dev.bash(
        ". .dev/env
        export REDISCLI_AUTH=$(cat .dev/redis.password)
        redis-cli -p $(cat .dev/redis.port) KEYS '*' | sort",
    );
    assert_eq!(keys.out(), "acme:user:1\ndev:user:1\nglobex:user:1");
    let status = dev.bash(". .dev/env; tdb deployments list --json").out();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    for n in 0..4 {
        assert_eq!(status["items"][n]["completed"], 2, "{status:#}");
    }
}

#[test]
fn make_dev_stops_all_it_started_and_finds_it_again() {
    let mut dev = Dev::new("make_dev");
    dev.start();
    let create = ". .dev/env
        tdb workspaces create --name myapp --database PostgreSQL
        tdb connect myapp_dev -- -c 'CREATE TABLE kept (id int)'
        tdb tenants create --name acme --blueprint myapp
        tdb workspaces create --name shop --database MySQL
        tdb connect shop_dev -- -e 'CREATE TABLE kept (id int)'
        tdb tenants create --name acme --blueprint shop
        tdb workspaces create --name cache --database Redis
        tdb tenants create --name acme --blueprint cache
        test \"$(tdb connect cache__acme -- SET kept x)\" = OK";
    dev.bash(create).ok();
    let look = ". .dev/env; tdb connect myapp__acme -- -c 'SELECT * FROM kept'
        tdb connect shop__acme -- -e 'SELECT * FROM kept'
        for n in $(seq 100); do
          test \"$(tdb connect cache__acme -- GET kept)\" = x && exit
          sleep 0.1
        done
        exit 1";
    let env = fs::read_to_string(dev.state().join("env")).unwrap();
    let parts = dev.parts();
    assert!(parts.iter().all(|pid| alive(*pid)));
    for secret in [
        "env",
        "control/api-key",
        "control/proxy-token",
        "postgres.password",
        "mariadb.password",
        "redis.password",
        "mongo.password",
    ] {
        let mode = fs::metadata(dev.state().join(secret))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{secret}");
    }

    // A second one on the same folder is told so and disturbs nothing.
    let second = Run::of(&mut dev.command()).error();
    assert!(
        second.contains("another make dev is running on"),
        "{second}"
    );
    dev.stop();
    assert!(!parts.iter().any(|pid| alive(*pid)), "{parts:?}");
    for port in dev.ports {
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "{port}");
    }

    dev.start();
    assert_eq!(fs::read_to_string(dev.state().join("env")).unwrap(), env);
    dev.bash(look).ok();

    // Killed without a chance to clean up: the next run ends what was left and goes on.
    let parts = dev.parts();
    let process = dev.process.take().unwrap();
    kill(child_of(process.id()), "KILL");
    drop(process);
    assert!(parts.iter().all(|pid| alive(*pid)));
    dev.start();
    assert!(!parts.iter().any(|pid| alive(*pid)), "{parts:?}");
    dev.bash(look).ok();

    // A part that dies is named, with its log, and ends the rest.
    let parts = dev.parts();
    kill(parts[1], "KILL");
    wait::until("the others to end", || {
        (!parts.iter().any(|pid| alive(*pid))).then_some(())
    });
    let log = dev.process.as_ref().unwrap().log();
    assert!(log.contains("control has ended; its log is"), "{log}");
    dev.process = None;
}

#[test]
fn make_dev_keeps_databases_where_their_server_can_reach_them() {
    let mut dev = Dev::new("make_dev_path");
    let closed = fs::Permissions::from_mode(0o700);
    fs::set_permissions(&dev.folder, closed).unwrap();
    for _ in 0..2 {
        dev.start();
        for (server, made) in [("POSTGRES", "PG_VERSION"), ("MARIADB", "made")] {
            let show = format!(". .dev/env; echo \"$TENANTSDB_DEV_{server}_DATA\"");
            let data = dev.bash(&show).out();
            // Root's closed folders are closed to the server's user; one's own are not.
            let moved = rustix::process::geteuid().is_root();
            let elsewhere = !Path::new(&data).starts_with(&dev.folder);
            assert_eq!(elsewhere, moved, "{data}");
            // Its user may be the only one to look into it.
            let mut look = Command::new("ls");
            Run::of(look.arg(Path::new(&data).join(made))).ok();
        }
        dev.bash(". .dev/env; tdb servers list").ok();
        dev.stop();
    }
    let data = ["mariadb.path", "postgres.path"].map(|file| {
        let data = fs::read_to_string(dev.state().join(file)).unwrap();
        let data = PathBuf::from(data.trim());
        if !data.starts_with(&dev.folder) {
            fs::remove_dir_all(data.parent().unwrap()).unwrap();
        }
        data
    });
    let data = &data[1];
    // The temporary directory was emptied, as a restart of the machine does.
    let _ = fs::remove_dir_all(data);
    let error = Run::of(&mut dev.command()).error();
    assert!(error.contains("the databases are gone"), "{error}");
}

#[test]
fn make_dev_names_a_busy_port() {
    let dev = Dev::new("make_dev_port");
    let busy = std::net::TcpListener::bind(("127.0.0.1", dev.ports[1])).unwrap();
    let error = Run::of(&mut dev.command()).error();
    let text = format!("port {} is in use, and control needs it", dev.ports[1]);
    assert!(error.contains(&text), "{error}");
    assert!(error.contains("TENANTSDB_DEV_CONTROL_PORT"), "{error}");
    drop(busy);
}
