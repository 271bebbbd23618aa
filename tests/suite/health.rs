//! The health checks that the image runs, and that its build steps are those of CI.

use std::fs;
use std::process::Command;

use tenantsdb_tests::{Fleet, Run, api, paths};

/// A daemon's health check, exactly as the Dockerfile has it, against a daemon at `address`.
fn health(daemon: &str, flag: &str, address: &str) -> i32 {
    let check = dockerfile_lines("HEALTHCHECK")
        .into_iter()
        .find(|line| line.contains(daemon))
        .unwrap_or_else(|| panic!("the Dockerfile checks no {daemon}"));
    let (_, words) = check.split_once("CMD ").expect("a command");
    let words: Vec<String> = serde_json::from_str(words).expect("the exec form");
    let mut command = Command::new(paths::program(&words[0]));
    // The image uses the default port, which this machine may use for something else.
    Run::of(command.args(&words[1..]).args([flag, address])).code
}

fn dockerfile_lines(instruction: &str) -> Vec<String> {
    let text = fs::read_to_string(paths::repository().join("Dockerfile")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with(instruction));
    lines.map(str::to_owned).collect()
}

#[test]
fn health_checks_of_the_image_tell_living_from_dead() {
    let mut fleet = Fleet::start("health", 1);
    let control = fleet.control.address();
    let proxy = fleet.proxies[0].admin_url("");
    let proxy = proxy.trim_start_matches("http://").to_owned();
    assert_eq!(health("tenantsdb-control", "--listen", &control), 0);
    assert_eq!(health("tenantsdb-proxy", "--admin-listen", &proxy), 0);
    // A proxy is healthy without control.
    fleet.control.stop();
    assert_eq!(health("tenantsdb-proxy", "--admin-listen", &proxy), 0);
    assert_ne!(health("tenantsdb-control", "--listen", &control), 0);
    let ended = fleet.proxies[0].stop();
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    assert_ne!(health("tenantsdb-proxy", "--admin-listen", &proxy), 0);
}

#[test]
fn the_admin_interface_answers() {
    let fleet = Fleet::start("health_admin", 1);
    for path in ["/healthz", "/readyz", "/metrics"] {
        let of_proxy = fleet.proxies[0].admin_url(path);
        assert_eq!(api::status_of(&of_proxy), Some(200), "{of_proxy}");
        let of_control = format!("{}{path}", fleet.control.url());
        assert_eq!(api::status_of(&of_control), Some(200), "{of_control}");
    }
}

#[test]
fn the_image_is_built_by_what_ci_runs() {
    let ci = fs::read_to_string(paths::repository().join(".ci/run")).unwrap();
    let makefile = fs::read_to_string(paths::repository().join("Makefile")).unwrap();
    assert!(ci.contains("make image-tree PROFILE=release"), "{ci}");
    assert!(makefile.contains("\tscripts/image-tree.sh $(PROFILE) $(DESTDIR)\n"));
    assert_eq!(
        dockerfile_lines("RUN"),
        ["RUN scripts/image-tree.sh release /image"],
        "a step that CI does not run is a step that nobody has seen work"
    );
    let users = dockerfile_lines("USER");
    assert!(!users.is_empty() && !users.iter().any(|user| user.contains("root")));
    for program in ["tenantsdb-proxy", "tenantsdb-control", "tdb"] {
        let script = paths::repository().join("scripts/image-tree.sh");
        assert!(fs::read_to_string(script).unwrap().contains(program));
    }
}
