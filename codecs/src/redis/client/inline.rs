//! Arguments of an inline request: words, and quotes as in `sdssplitargs` of `src/sds.c`.

use super::Error;

/// Appends the next argument of a line, without its quotes, and gives what is behind it; `None` if
/// the line has no more.
///
/// A word ends at a blank. Quotes may begin anywhere in it, and it ends with them: inside `"`,
/// `\n`, `\r`, `\t`, `\b`, `\a` and `\xHH` are what they are in C, any other byte behind `\` is
/// itself; inside `'`, only `\'` is more than its bytes.
///
/// # Errors
///
/// A quote that is not closed, or that is followed by anything but a blank when it closes.
pub(super) fn argument<'i>(line: &'i [u8], out: &mut Vec<u8>) -> Result<Option<&'i [u8]>, Error> {
    let Some(start) = line.iter().position(|byte| !is_blank(*byte)) else {
        return Ok(None);
    };
    let mut rest = line.get(start..).unwrap_or_default();
    loop {
        let Some((byte, behind)) = rest.split_first() else {
            return Ok(Some(rest));
        };
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => return Ok(Some(behind)),
            b'"' => return closed(double(behind, out)).map(Some),
            b'\'' => return closed(single(behind, out)).map(Some),
            byte => out.push(*byte),
        }
        rest = behind;
    }
}

/// C's `isspace`, by which the server passes over what is between two words.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn closed(behind: Option<&[u8]>) -> Result<&[u8], Error> {
    behind
        .filter(|behind| behind.first().is_none_or(|byte| is_blank(*byte)))
        .ok_or(Error::Quotes)
}

/// What is behind the closing quote.
fn double<'i>(mut rest: &'i [u8], out: &mut Vec<u8>) -> Option<&'i [u8]> {
    loop {
        rest = match rest {
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', b'x', high, low, behind @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                out.push(hex(*high) << 4 | hex(*low));
                behind
            }
            [b'\\', escaped, behind @ ..] => {
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    itself => *itself,
                });
                behind
            }
            [byte, behind @ ..] => {
                out.push(*byte);
                behind
            }
            [] => return None,
        };
    }
}

/// What is behind the closing quote.
fn single<'i>(mut rest: &'i [u8], out: &mut Vec<u8>) -> Option<&'i [u8]> {
    loop {
        rest = match rest {
            [b'\'', behind @ ..] => return Some(behind),
            [b'\\', b'\'', behind @ ..] => {
                out.push(b'\'');
                behind
            }
            [byte, behind @ ..] => {
                out.push(*byte);
                behind
            }
            [] => return None,
        };
    }
}

const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}
