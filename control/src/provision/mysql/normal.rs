//! What SHOW CREATE says of one database and would not say of another with the same schema.

use std::borrow::Cow;

/// A table's text without `AUTO_INCREMENT=n`, which counts rows. It stands in the line that closes
/// the list of columns; strings in these lines have no line ends in them.
pub(super) fn without_counter(text: &str) -> String {
    const OPTION: &str = " AUTO_INCREMENT=";
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let options = lines.iter_mut().rev().find(|line| line.starts_with(") "));
    if let Some(line) = options
        && let Some(at) = outside_quotes(line, OPTION)
    {
        let behind = line.get(at + OPTION.len()..).unwrap_or_default();
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        line.replace_range(at..at + OPTION.len() + digits, "");
    }
    lines.join("\n")
}

/// An event's text without its STARTS, for one whose STARTS is the moment at which it was made.
/// `name` is quoted as in the text.
pub(super) fn without_starts(text: &str, name: &str) -> String {
    const STARTS: &str = " STARTS '";
    let head = text.find(name).map_or(0, |at| at + name.len());
    let behind = text.get(head..).unwrap_or_default();
    let Some(at) = behind.find(STARTS) else {
        return text.to_owned();
    };
    let moment = behind.get(at + STARTS.len()..).unwrap_or_default();
    let Some(end) = moment.find('\'') else {
        return text.to_owned();
    };
    let (before, after) = (text.get(..head + at), moment.get(end + 1..));
    format!(
        "{}{}",
        before.unwrap_or_default(),
        after.unwrap_or_default()
    )
}

/// A program's text without a semicolon at its end, which MySQL keeps of a program that was one of
/// several statements in a message.
pub(super) fn without_end(mut text: String) -> String {
    let end = text.trim_end().trim_end_matches(';').trim_end().len();
    if text.get(end..).is_some_and(|rest| rest.contains(';')) {
        text.truncate(end);
    }
    text
}

/// White space at the ends and between words made plain. For texts without strings.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a session in this character set sends to have the server understand `text`; `None` if that
/// is not UTF-8, which is all that can be sent. A client that calls itself latin1 and sends UTF-8
/// is common, and its text is read as other characters.
pub(super) fn as_sent<'a>(text: &'a str, character_set: &str) -> Option<Cow<'a, str>> {
    // As MySQL's latin1 has them, 0x80 to 0x9f (strings/ctype-latin1.cc).
    const UPPER: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
    if text.is_ascii() || character_set.starts_with("utf8") {
        return Some(Cow::Borrowed(text));
    }
    if character_set != "latin1" {
        return None;
    }
    let byte = |c: char| match u8::try_from(c) {
        Ok(byte) if !(0x80..0xa0).contains(&byte) => Some(byte),
        _ => {
            let place = UPPER.chars().position(|other| other == c)?;
            Some(0x80 + u8::try_from(place).ok()?)
        }
    };
    let bytes: Option<Vec<u8>> = text.chars().map(byte).collect();
    String::from_utf8(bytes?).ok().map(Cow::Owned)
}

/// Where `wanted` stands in a line outside single quotes.
fn outside_quotes(line: &str, wanted: &str) -> Option<usize> {
    let mut quoted = false;
    line.char_indices().find_map(|(at, c)| {
        if c == '\'' {
            quoted = !quoted;
        }
        (!quoted && line.get(at..)?.starts_with(wanted)).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_goes_and_a_comment_that_looks_like_it_stays() {
        let text = "CREATE TABLE `t` (\n  `a` int COMMENT ') AUTO_INCREMENT=4'\n) ENGINE=InnoDB \
                    AUTO_INCREMENT=5 COMMENT=' AUTO_INCREMENT=6'\n PARTITION BY HASH (`a`)";
        let normal = without_counter(text);
        assert!(normal.contains("ENGINE=InnoDB COMMENT=' AUTO_INCREMENT=6'\n PART"));
        assert!(normal.contains("') AUTO_INCREMENT=4'"));
    }

    #[test]
    fn the_start_of_an_event_goes_and_its_end_stays() {
        let text = "CREATE EVENT `a STARTS 'x'` ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01' \
                    ENDS '2027-01-01' DO SELECT ' STARTS '";
        let normal = without_starts(text, "`a STARTS 'x'`");
        assert!(normal.contains("EVERY 1 DAY ENDS '2027-01-01' DO SELECT ' STARTS '"));
        assert!(normal.starts_with("CREATE EVENT `a STARTS 'x'` ON"));
    }

    #[test]
    fn a_semicolon_at_the_end_goes_and_white_space_alone_stays() {
        let end = |text: &str| without_end(text.to_owned());
        assert_eq!(end("BEGIN SELECT ';'; END ; \n"), "BEGIN SELECT ';'; END");
        assert_eq!(end("SELECT 1 \n"), "SELECT 1 \n");
    }

    #[test]
    fn what_was_sent_in_another_character_set_is_sent_again() {
        let mojibake = |text: &str| as_sent(text, "latin1").map(Cow::into_owned);
        assert_eq!(mojibake("x"), Some("x".to_owned()));
        assert_eq!(mojibake("Ã¼ â‚¬ Ã\u{81}"), Some("ü € Á".to_owned()));
        assert_eq!(mojibake("ü"), None);
        assert_eq!(as_sent("ü", "utf8mb3").as_deref(), Some("ü"));
        assert_eq!(as_sent("ü", "cp1250"), None);
    }
}
