//! Exchanges that were recorded with a real server: `testdata/redis`.

/// The lines of a recording: what each begins with, and its bytes; those of `#` are text.
pub(super) fn lines(text: &str) -> Vec<(char, Vec<u8>)> {
    let line = |line: &str| {
        let (mark, rest) = line.split_once(' ').unwrap();
        let mark = mark.chars().next().unwrap();
        let bytes = if mark == '#' {
            rest.into()
        } else {
            bytes(rest)
        };
        (mark, bytes)
    };
    text.lines().map(line).collect()
}

/// The requests of a recording, with what came back behind each.
pub(super) fn exchanges(text: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut exchanges: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (mark, bytes) in lines(text) {
        match mark {
            '>' => exchanges.push((bytes, Vec::new())),
            '<' => exchanges.last_mut().unwrap().1.extend(bytes),
            _ => {}
        }
    }
    exchanges
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16).unwrap();
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::try_from(digit(&pair[0]) * 16 + digit(&pair[1])).unwrap())
        .collect()
}

/// The text of a recording.
macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/testdata/redis/",
            $name,
            ".hex"
        ))
    };
}

pub(super) use recorded;
