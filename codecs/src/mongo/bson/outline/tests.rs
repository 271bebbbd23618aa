use proptest::prelude::*;

use super::super::tests::{trees, write};
use super::super::{DEPTH_MAX, Value, Writer, validate};
use super::*;

/// The outline and the bytes that it took, or the error.
fn outline<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Option<Vec<u8>>, usize), Error> {
    let mut outline = Outline::new();
    let mut bytes = 0;
    for chunk in chunks {
        bytes += outline.step(chunk)?;
    }
    let found = outline.document().map(|document| document.bytes().to_vec());
    Ok((found, bytes))
}

fn of(bytes: &[u8]) -> Vec<u8> {
    let (found, taken) = outline([bytes]).unwrap();
    assert_eq!(taken, bytes.len());
    found.unwrap()
}

#[test]
fn a_small_document_is_its_own_outline() {
    let mut writer = Writer::new();
    writer
        .document("cursor", |cursor| {
            cursor
                .array("firstBatch", |array| {
                    array.document(|_| {});
                })
                .i64("id", 7)
                .str("ns", "myapp__acme.users");
        })
        .f64("ok", 1.0);
    let bytes = writer.finish();
    assert_eq!(of(&bytes), bytes);
    let with_more = [&bytes[..], b"more"].concat();
    assert_eq!(
        outline([&with_more[..]]),
        Ok((Some(bytes.clone()), bytes.len()))
    );
}

#[test]
fn a_batch_is_left_out_and_what_is_around_it_is_kept() {
    let mut writer = Writer::new();
    writer
        .document("cursor", |cursor| {
            cursor
                .array("firstBatch", |array| {
                    (0..1_000).for_each(|number| {
                        array.i64(number);
                    });
                })
                .i64("id", 7)
                .str("ns", "myapp__acme.users");
        })
        .binary("big", 0, &[1; 2_000])
        .f64("ok", 1.0);
    let mut expected = Writer::new();
    expected
        .document("cursor", |cursor| {
            cursor
                .array("firstBatch", |array| {
                    array.value(&Value::Null);
                })
                .i64("id", 7)
                .str("ns", "myapp__acme.users");
        })
        .f64("ok", 1.0);
    assert_eq!(of(&writer.finish()), expected.finish());
}

#[test]
fn what_is_kept_is_bounded_and_ok_is_kept_behind_it() {
    let mut writer = Writer::new();
    for _ in 0..200 {
        writer.binary("small", 0, &[1; 1_000]);
    }
    writer.f64("ok", 1.0);
    let bytes = of(&writer.finish());
    assert!(bytes.len() < OUTLINE_BYTES_MAX + 100);
    assert_eq!(
        Document::whole(&bytes).unwrap().get("ok"),
        Ok(Some(Value::Double(1.0)))
    );
    let mut writer = Writer::new();
    for _ in 0..100_000 {
        writer.i32("number", 1);
    }
    assert!(of(&writer.finish()).len() < 2 * OUTLINE_BYTES_MAX + 100);
}

#[test]
fn regular_expressions_and_endless_keys_are_left_out() {
    let mut writer = Writer::new();
    writer
        .raw("regex", kind::REGEX, b"^a\0im\0")
        .i32(&"k".repeat(255), 1)
        .i32(&"k".repeat(256), 2)
        .f64("ok", 1.0);
    let mut expected = Writer::new();
    expected.i32(&"k".repeat(255), 1).f64("ok", 1.0);
    assert_eq!(of(&writer.finish()), expected.finish());
}

#[test]
fn lengths_that_do_not_fit_into_one_another_are_refused() {
    for (bytes, error) in [
        (&b"\x04\0\0\0"[..], Error::Invalid("document length")),
        (b"\xff\xff\xff\xff", Error::Invalid("document length")),
        (b"\x05\0\0\0\x10", Error::Terminator("document")),
        (b"\x06\0\0\0\0\0", Error::Invalid("element kind")),
        (b"\x08\0\0\0\x10k\0\0", Error::Truncated("element")),
        (b"\x0f\0\0\0\x02k\0\x09\0\0\0", Error::Truncated("element")),
        (b"\x0f\0\0\0\x03k\0\x08\0\0\0", Error::Truncated("element")),
        (b"\x0f\0\0\0\x02k\0\0\0\0\0", Error::Invalid("value length")),
        (
            b"\x0f\0\0\0\x0fk\0\x03\0\0\0",
            Error::Invalid("value length"),
        ),
        (b"\x0f\0\0\0\x14k\0", Error::Invalid("element kind")),
        (b"\x0a\0\0\0\x0bk\0aaa", Error::Truncated("element")),
    ] {
        assert_eq!(outline([bytes]).unwrap_err(), error, "{bytes:?}");
        assert_eq!(outline(bytes.chunks(1)).unwrap_err(), error, "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn an_outline_is_the_same_wherever_the_document_is_cut(
        tree in trees(),
        cut: prop::sample::Index,
    ) {
        let mut writer = Writer::new();
        write(&tree, &mut writer);
        let bytes = writer.finish();
        let whole = outline([&bytes[..]]);
        let (front, back) = bytes.split_at(cut.index(bytes.len()));
        prop_assert_eq!(outline([front, back]), whole.clone());
        prop_assert_eq!(outline(bytes.chunks(1)), whole.clone());
        let (found, taken) = whole.unwrap();
        prop_assert_eq!(taken, bytes.len());
        prop_assert_eq!(validate(&found.unwrap(), DEPTH_MAX), Ok(()));
    }

    #[test]
    fn random_bytes_have_the_same_answer_wherever_they_are_cut(
        mut bytes in prop::collection::vec(prop_oneof![Just(0), 0..20_u8, any::<u8>()], 4..200),
        cut: prop::sample::Index,
        length in 0..220_u8,
    ) {
        bytes[..4].copy_from_slice(&[length, 0, 0, 0]);
        let whole = outline([&bytes[..]]);
        let (front, back) = bytes.split_at(cut.index(bytes.len()));
        prop_assert_eq!(outline([front, back]), whole.clone());
        prop_assert_eq!(outline(bytes.chunks(1)), whole);
    }
}
