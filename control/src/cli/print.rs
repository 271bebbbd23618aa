//! How results look: tables, fields, and what is kept from reaching a terminal.

use std::borrow::Cow;
use std::fmt::Write;

use crate::client::types::Labels;

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// For people.
    Text,
    /// Essential values, one a line.
    Quiet,
    /// The REST body.
    Json,
}

// === impl Mode ===

impl Mode {
    pub(super) fn of(json: bool, quiet: bool) -> Self {
        match (json, quiet) {
            (true, _) => Self::Json,
            (false, true) => Self::Quiet,
            (false, false) => Self::Text,
        }
    }
}

/// A table: columns padded with spaces, two between them, none at the end of a line.
pub(super) fn table<const N: usize>(
    headers: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut lines = vec![headers.map(str::to_owned)];
    lines.extend(rows.into_iter().map(|row| row.map(|cell| one_line(&cell))));
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &lines {
        let padded = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Named values, indented, the values under each other. Empty values are left out.
pub(super) fn fields(fields: &[(&str, &str)]) -> String {
    let shown = || fields.iter().filter(|(_, value)| !value.is_empty());
    let width = shown().map(|(name, _)| name.len() + 1).max().unwrap_or(0);
    shown().fold(String::new(), |mut text, (name, value)| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:width$}  {value}", format!("{name}:"));
        text
    })
}

/// Lines of plain values.
pub(super) fn lines(values: &[&str]) -> String {
    values
        .iter()
        .fold(String::new(), |text, value| text + value + "\n")
}

/// A cell for a value that may be missing.
pub(super) fn or_dash(value: Option<&str>) -> String {
    value
        .filter(|value| !value.is_empty())
        .unwrap_or("-")
        .to_owned()
}

/// An RFC 3339 time without its fraction of a second, which `--json` has.
pub(super) fn time(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, fraction)) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{seconds}{zone}")
        }
        None => time.to_owned(),
    }
}

/// `k=v, k=v`.
pub(super) fn labels(labels: &Labels) -> String {
    labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `1 tenant`, `2 tenants`.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The warning for a change that has not reached all proxies; `None` if it has.
pub(super) fn routing(routed: Option<bool>, behind: &[String]) -> Option<String> {
    if routed != Some(false) {
        return None;
    }
    let who = match behind {
        [] => "no proxy has confirmed it".to_owned(),
        behind => format!("still behind: {}", behind.join(", ")),
    };
    Some(format!(
        "! Not yet on every proxy; {who}\n  → connections there follow as soon as they catch up: \
         tdb proxies list"
    ))
}

/// Text that cannot steer a terminal: captured statements and error texts are other people's.
///
/// Control characters except line feed and tab, and the characters that reorder a line, are written
/// as `\u{…}`.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match steers(c) {
            true => clean.extend(c.escape_unicode()),
            false => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// White space of any kind to one space: a table's row is one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_padded_and_lines_end_without_spaces() {
        let rows = [["acme", "active"], ["globex_international", "x"]];
        let text = table(["TENANT", "STATUS"], rows.map(|row| row.map(str::to_owned)));
        assert_eq!(
            text,
            "TENANT                STATUS\n\
             acme                  active\n\
             globex_international  x\n"
        );
        let empty = table(["A", "B"], [["x".to_owned(), String::new()]]);
        assert_eq!(empty, "A  B\nx\n");
    }

    #[test]
    fn a_cell_is_one_line() {
        let text = table(["ERROR"], [["a\n  b\tc".to_owned()]]);
        assert_eq!(text, "ERROR\na b c\n");
    }

    #[test]
    fn fields_are_aligned_and_empty_ones_left_out() {
        let text = fields(&[("id", "x"), ("server", ""), ("version", "1.0")]);
        assert_eq!(text, "  id:       x\n  version:  1.0\n");
    }

    #[test]
    fn times_are_shown_to_the_second() {
        assert_eq!(time("2026-01-02T03:04:05.678901Z"), "2026-01-02T03:04:05Z");
        assert_eq!(
            time("2026-01-02T03:04:05.6+01:00"),
            "2026-01-02T03:04:05+01:00"
        );
        assert_eq!(time("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z");
        assert_eq!(time(""), "");
    }

    #[test]
    fn nothing_printed_can_steer_the_terminal() {
        assert_eq!(printable("plain\n\ttext ✓"), "plain\n\ttext ✓");
        assert_eq!(printable("a\x1b[2Jb\r"), "a\\u{1b}[2Jb\\u{d}");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn proxies_behind_are_named() {
        assert_eq!(routing(Some(true), &[]), None);
        assert_eq!(routing(None, &[]), None);
        let text = routing(Some(false), &["edge-1".to_owned(), "edge-2".to_owned()]);
        assert!(text.is_some_and(|text| text.contains("edge-1, edge-2")));
    }
}
