//! Length-encoded integers and strings.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html>: below
//! 251 the byte itself; 0xFC, 0xFD and 0xFE say that two, three and eight bytes follow. 0xFB stands
//! for NULL in a row, 0xFF for nothing.

use super::Error;
use crate::cursor::Cursor;

/// What stands for NULL where a row has a string.
pub(super) const NULL: u8 = 0xfb;

/// Reads the integer at the front of `input`, also one that is written longer than it has to be;
/// answers it and how many bytes it took.
///
/// # Errors
///
/// `input` ends inside it, or begins with a byte that no integer begins with.
pub fn integer(input: &[u8], field: &'static str) -> Result<(u64, usize), Error> {
    let mut cursor = Cursor::new(input);
    let value = take_integer(&mut cursor, field)?;
    Ok((value, input.len() - cursor.rest().len()))
}

/// Reads the string at the front of `input`; answers it and how many bytes it took.
///
/// # Errors
///
/// `input` ends inside it, or begins with a byte that no length begins with.
pub fn string<'a>(input: &'a [u8], field: &'static str) -> Result<(&'a [u8], usize), Error> {
    let mut cursor = Cursor::new(input);
    let text = take_string(&mut cursor, field)?;
    Ok((text, input.len() - cursor.rest().len()))
}

/// Appends an integer in its shortest form.
pub fn put_integer(value: u64, out: &mut Vec<u8>) {
    let bytes = value.to_le_bytes();
    let [a, b, c, ..] = bytes;
    match value {
        0..=0xfa => out.push(a),
        0xfb..=0xffff => out.extend_from_slice(&[0xfc, a, b]),
        0x1_0000..=0xff_ffff => out.extend_from_slice(&[0xfd, a, b, c]),
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Appends a string behind its length.
pub fn put_string(bytes: &[u8], out: &mut Vec<u8>) {
    put_integer(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

pub(super) fn take_integer(cursor: &mut Cursor<'_>, field: &'static str) -> Result<u64, Error> {
    let value = match cursor.u8().ok_or(Error::Truncated(field))? {
        byte @ 0..=0xfa => Some(byte.into()),
        0xfc => cursor.u16_le().map(u64::from),
        0xfd => cursor.u24_le().map(u64::from),
        0xfe => cursor.u64_le(),
        NULL | 0xff => return Err(Error::Invalid(field)),
    };
    value.ok_or(Error::Truncated(field))
}

pub(super) fn take_string<'a>(
    cursor: &mut Cursor<'a>,
    field: &'static str,
) -> Result<&'a [u8], Error> {
    let bytes = take_integer(cursor, field)?;
    let bytes = usize::try_from(bytes).map_err(|_| Error::Truncated(field))?;
    cursor.take(bytes).ok_or(Error::Truncated(field))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_have_four_sizes() {
        for (value, bytes) in [
            (0, &b"\0"[..]),
            (250, b"\xfa"),
            (251, b"\xfc\xfb\0"),
            (0xffff, b"\xfc\xff\xff"),
            (0x1_0000, b"\xfd\0\0\x01"),
            (0xff_ffff, b"\xfd\xff\xff\xff"),
            (0x100_0000, b"\xfe\0\0\0\x01\0\0\0\0"),
            (u64::MAX, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff"),
        ] {
            let mut out = Vec::new();
            put_integer(value, &mut out);
            assert_eq!(out, bytes);
            assert_eq!(integer(bytes, "count"), Ok((value, bytes.len())));
            for end in 0..bytes.len() {
                let truncated = Err(Error::Truncated("count"));
                assert_eq!(integer(&bytes[..end], "count"), truncated);
            }
        }
        // Longer than needed, and read like every server reads it.
        assert_eq!(integer(b"\xfc\x05\0", "count"), Ok((5, 3)));
    }

    #[test]
    fn null_and_error_are_no_lengths() {
        for byte in [0xfb, 0xff] {
            let input = [byte; 20];
            assert_eq!(integer(&input, "count"), Err(Error::Invalid("count")));
            assert_eq!(string(&input, "name"), Err(Error::Invalid("name")));
        }
    }

    // Lengths beyond the packet have crashed proxies (proxysql#1893).
    #[test]
    fn a_string_longer_than_the_input_is_refused() {
        for input in [
            &b"\x01"[..],
            b"\xfaabc",
            b"\xfc\xff\xffabc",
            b"\xfe\xff\xff\xff\xff\xff\xff\xff\xffabc",
        ] {
            assert_eq!(string(input, "name"), Err(Error::Truncated("name")));
        }
        assert_eq!(string(b"\x02abc", "name"), Ok((&b"ab"[..], 3)));
    }

    proptest! {
        #[test]
        fn strings_are_written_and_read(
            text in proptest::collection::vec(any::<u8>(), 0..600),
            behind in proptest::collection::vec(any::<u8>(), 0..5),
        ) {
            let mut out = Vec::new();
            put_string(&text, &mut out);
            let taken = out.len();
            out.extend(behind);
            prop_assert_eq!(string(&out, "name"), Ok((&text[..], taken)));
        }

        #[test]
        fn integers_are_written_and_read(value in any::<u64>(), shift in 0_u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_integer(value, &mut out);
            prop_assert_eq!(integer(&out, "count"), Ok((value, out.len())));
        }
    }
}
