//! The files of calls, and their grammar.

use std::collections::HashMap;

/// The calls of one command.
pub(super) struct Section {
    /// Name as in COMMAND, sub-command behind a space.
    pub(super) command: String,
    /// Neither inside MULTI nor as a pipeline.
    pub(super) alone: bool,
    pub(super) lines: Vec<Line>,
}

/// One line: what is sent, and how its reply is looked at.
pub(super) struct Line {
    /// Without its marks.
    pub(super) text: String,
    pub(super) unordered: bool,
    pub(super) kind_only: bool,
    pub(super) second: bool,
    /// Nothing is sent: one more reply is read.
    pub(super) read_only: bool,
    /// The name under which the reply is kept.
    pub(super) keep: Option<String>,
}

/// Replies that are put into later lines.
pub(super) type Kept = HashMap<String, Vec<u8>>;

pub(super) fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(head) = line.strip_prefix('[') {
            let (command, rest) = head.split_once(']').expect("a section's head is closed");
            sections.push(Section {
                command: command.to_owned(),
                alone: rest.trim() == "alone",
                lines: Vec::new(),
            });
            continue;
        }
        let section = sections.last_mut().expect("a line stands in a section");
        section.lines.push(Line::read(line));
    }
    sections
}

impl Line {
    fn read(mut text: &str) -> Self {
        let mut line = Self {
            text: String::new(),
            unordered: false,
            kind_only: false,
            second: false,
            read_only: text == "<",
            keep: None,
        };
        loop {
            let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
            match first {
                "~" => line.unordered = true,
                "?" => line.kind_only = true,
                "@2" => line.second = true,
                name if name.ends_with('=') => {
                    line.keep = Some(name.trim_end_matches('=').to_owned());
                }
                _ => break,
            }
            text = rest;
        }
        line.text = text.to_owned();
        line
    }

    /// The arguments for a tenant.
    pub(super) fn words(&self, tenant: &str, kept: &Kept) -> Vec<Vec<u8>> {
        words(&self.text)
            .into_iter()
            .map(|word| match word.strip_prefix(b"$") {
                Some(name) if !name.is_empty() => {
                    let name = String::from_utf8_lossy(name).into_owned();
                    kept[&name].clone()
                }
                _ => replace(&word, b"%v", format!("of-{tenant}").as_bytes()),
            })
            .collect()
    }
}

fn replace(word: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let Some(at) = word.windows(what.len()).position(|part| part == what) else {
        return word.to_vec();
    };
    let (head, tail) = (&word[..at], &word[at + what.len()..]);
    [head, by, tail].concat()
}

/// Words, with redis-cli's double quotes and escapes.
fn words(text: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = text.as_bytes();
    loop {
        rest = rest.trim_ascii_start();
        match rest {
            [] => return words,
            [b'"', quoted @ ..] => {
                let (word, behind) = unquote(quoted);
                words.push(word);
                rest = behind;
            }
            _ => {
                let end = rest.iter().position(u8::is_ascii_whitespace);
                let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
                words.push(word.to_vec());
                rest = behind;
            }
        }
    }
}

fn unquote(mut rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut word = Vec::new();
    loop {
        let (byte, behind) = match rest {
            [b'"', behind @ ..] => return (word, behind),
            [b'\\', b'n', behind @ ..] => (b'\n', behind),
            [b'\\', b'r', behind @ ..] => (b'\r', behind),
            [b'\\', b'x', a, b, behind @ ..] => {
                let digits = [*a, *b];
                let digits = str::from_utf8(&digits).expect("two digits");
                (u8::from_str_radix(digits, 16).expect("two digits"), behind)
            }
            [b'\\', byte, behind @ ..] | [byte, behind @ ..] => (*byte, behind),
            [] => panic!("a quote is not closed"),
        };
        word.push(byte);
        rest = behind;
    }
}

/// An exception: how the reply through the proxy begins.
pub(super) fn differences(text: &str) -> HashMap<&str, &str> {
    let mut found = HashMap::new();
    for block in text.split("\n\n") {
        let lines: Vec<&str> = block
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        if lines.is_empty() {
            continue;
        }
        let [line, begins, reason] = lines.as_slice() else {
            panic!("three lines are a difference: {block:?}");
        };
        assert!(reason.len() >= 9, "{line}: why?");
        assert!(found.insert(*line, *begins).is_none(), "{line}: twice");
    }
    found
}
