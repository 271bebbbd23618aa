//! The house rules that a machine can hold: sizes, names of files, tests that do not run.
//!
//! Lines of tests do not count; they begin at `#[cfg(test)]` and stand last in a file.

use std::fs;
use std::path::{Path, PathBuf};

use tenantsdb_tests::paths;

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

/// Exceptions: file, what is allowed there, why. Empty is the aim; nothing is added without a
/// reason.
const EXCEPTIONS: &[(&str, Rule, &str)] = &[];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    FileLines,
    FunctionLines,
    Columns,
    ModRs,
    IgnoredTest,
}

#[test]
fn the_house_rules_hold() {
    let root = paths::repository();
    let mut broken = Vec::new();
    for path in sources(root) {
        let file = path.strip_prefix(root).unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        for (rule, what) in check(file, &text) {
            let excepted = |e: &&(&str, Rule, &str)| e.0 == file && e.1 == rule;
            if !EXCEPTIONS.iter().any(|e| excepted(&e)) {
                broken.push(format!("{file}: {rule:?}: {what}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn exceptions_are_needed_and_have_a_reason() {
    for (file, rule, reason) in EXCEPTIONS {
        let text = fs::read_to_string(paths::repository().join(file)).unwrap();
        let needed = check(file, &text).iter().any(|(found, _)| found == rule);
        assert!(
            needed,
            "{file} keeps the rule {rule:?}: take the exception out"
        );
        assert!(reason.len() > 20, "{file}: why?");
    }
}

fn check(file: &str, text: &str) -> Vec<(Rule, String)> {
    let mut broken = Vec::new();
    if file.ends_with("/mod.rs") {
        broken.push((Rule::ModRs, "name the file after the module".to_owned()));
    }
    let lines: Vec<&str> = text.lines().collect();
    for (n, line) in lines.iter().enumerate() {
        let columns = line.chars().count();
        // An address cannot be broken.
        if columns > COLUMNS_MAX && !line.contains("://") {
            broken.push((Rule::Columns, format!("line {} has {columns}", n + 1)));
        }
        if line.trim() == concat!("#[", "ignore]") {
            broken.push((Rule::IgnoredTest, format!("line {} gives no reason", n + 1)));
        }
    }
    let of_tests =
        file.ends_with("/tests.rs") || file.contains("/tests/") || file.starts_with("tests/suite/");
    let production = match lines.iter().position(|line| line.trim() == "#[cfg(test)]") {
        _ if of_tests => &[][..],
        Some(first) => &lines[..first],
        None => &lines[..],
    };
    if production.len() > FILE_LINES_MAX {
        broken.push((Rule::FileLines, format!("{} lines", production.len())));
    }
    for (name, length) in functions(production) {
        if length > FUNCTION_LINES_MAX {
            broken.push((Rule::FunctionLines, format!("{name} has {length} lines")));
        }
    }
    broken
}

/// Functions with their lengths. Formatted code closes one with a brace in the column it began in.
fn functions(lines: &[&str]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(name) = function_name(code) else {
            continue;
        };
        let close = format!("{}}}", &line[..line.len() - code.len()]);
        if line.ends_with('}') || line.ends_with(';') {
            continue;
        }
        if let Some(length) = lines[start..].iter().position(|line| *line == close) {
            found.push((name.to_owned(), length + 1));
        }
    }
    found
}

fn function_name(code: &str) -> Option<&str> {
    let mut words = code.split(' ');
    loop {
        match words.next()? {
            "fn" => return words.next()?.split(['(', '<']).next(),
            "pub" | "pub(crate)" | "pub(super)" | "async" | "const" | "unsafe" => {}
            _ => return None,
        }
    }
}

/// Every Rust file of the repository; build output and generated folders left out.
fn sources(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["codecs", "proxy", "control", "bench", "fuzz", "tests"]
        .iter()
        .map(|folder| root.join(folder))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 20, "the repository has moved: {found:?}");
    found
}
