use proptest::prelude::*;

use super::*;

/// The two examples of <https://bsonspec.org/faq.html>.
const HELLO_WORLD: &[u8] = b"\x16\0\0\0\x02hello\0\x06\0\0\0world\0\0";
const AWESOME: &[u8] = b"1\0\0\0\x04BSON\0&\0\0\0\x020\0\x08\0\0\0awesome\0\
    \x011\x00333333\x14@\x102\0\xc2\x07\0\0\0\0";

fn document(elements: &[u8]) -> Vec<u8> {
    let length = i32::try_from(elements.len() + 5).unwrap();
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend_from_slice(elements);
    bytes.push(0);
    bytes
}

fn whole(bytes: &[u8]) -> Document<'_> {
    Document::whole(bytes).unwrap()
}

/// Documents inside one another, the outermost counted.
fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = document(b"");
    for _ in 1..depth {
        let mut element = b"\x03a\0".to_vec();
        element.extend_from_slice(&bytes);
        bytes = document(&element);
    }
    bytes
}

/// One element of each kind, with a key of one letter.
fn of_every_kind() -> Vec<(Vec<u8>, Value<'static>)> {
    let other = |kind, bytes| Value::Other { kind, bytes };
    let element = |bytes: &[u8], value| (bytes.to_vec(), value);
    vec![
        element(b"\x01k\0\0\0\0\0\0\0\xf0?", Value::Double(1.0)),
        element(b"\x02k\0\x03\0\0\0\xc3\xa9\0", Value::String("é")),
        element(b"\x02k\0\x04\0\0\0a\0b\0", Value::String("a\0b")),
        element(
            b"\x03k\0\x05\0\0\0\0",
            Value::Document(whole(b"\x05\0\0\0\0")),
        ),
        element(b"\x04k\0\x05\0\0\0\0", Value::Array(whole(b"\x05\0\0\0\0"))),
        element(
            b"\x05k\0\x02\0\0\0\x04\xff\0",
            Value::Binary {
                subtype: 4,
                bytes: b"\xff\0",
            },
        ),
        element(b"\x06k\0", other(kind::UNDEFINED, b"")),
        element(b"\x07k\0abcdefghijkl", Value::ObjectId(*b"abcdefghijkl")),
        element(b"\x08k\0\x01", Value::Bool(true)),
        element(b"\x09k\0\xff\xff\xff\xff\xff\xff\xff\xff", Value::Date(-1)),
        element(b"\x0ak\0", Value::Null),
        element(b"\x0bk\0^a\0im\0", other(kind::REGEX, b"^a\0im\0")),
        element(
            b"\x0ck\0\x02\0\0\0a\0abcdefghijkl",
            other(kind::DB_POINTER, b"\x02\0\0\0a\0abcdefghijkl"),
        ),
        element(b"\x0dk\0\x02\0\0\0f\0", other(kind::CODE, b"\x02\0\0\0f\0")),
        element(
            b"\x0ek\0\x02\0\0\0s\0",
            other(kind::SYMBOL, b"\x02\0\0\0s\0"),
        ),
        element(
            b"\x0fk\0\x0f\0\0\0\x02\0\0\0f\0\x05\0\0\0\0",
            other(
                kind::CODE_WITH_SCOPE,
                b"\x0f\0\0\0\x02\0\0\0f\0\x05\0\0\0\0",
            ),
        ),
        element(b"\x10k\0\xfe\xff\xff\xff", Value::Int32(-2)),
        element(
            b"\x11k\0\x01\0\0\0\x02\0\0\0",
            Value::Timestamp((2 << 32) + 1),
        ),
        element(b"\x12k\0\0\0\0\0\0\0\0\x80", Value::Int64(i64::MIN)),
        element(
            b"\x13k\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0@0",
            other(kind::DECIMAL128, b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0@0"),
        ),
        element(b"\xffk\0", other(kind::MIN_KEY, b"")),
        element(b"\x7fk\0", other(kind::MAX_KEY, b"")),
        element(
            b"\x02k\0\x02\0\0\0\xff\0",
            other(kind::STRING, b"\x02\0\0\0\xff\0"),
        ),
    ]
}

#[test]
fn the_examples_of_the_specification_are_read_and_written() {
    let hello = whole(HELLO_WORLD);
    assert_eq!(hello.get("hello"), Ok(Some(Value::String("world"))));
    let mut writer = Writer::new();
    writer.str("hello", "world");
    assert_eq!(writer.finish(), HELLO_WORLD);

    let array = whole(AWESOME).get("BSON").unwrap().unwrap();
    let elements: Result<Vec<_>, _> = array.as_array().unwrap().iter().collect();
    assert_eq!(
        elements.unwrap(),
        [
            ("0", Value::String("awesome")),
            ("1", Value::Double(5.05)),
            ("2", Value::Int32(1986)),
        ]
    );
    let mut writer = Writer::new();
    writer.array("BSON", |array| {
        array.str("awesome").value(&Value::Double(5.05)).i32(1986);
    });
    assert_eq!(writer.finish(), AWESOME);
}

#[test]
fn every_kind_of_value_is_read_and_written_again() {
    for (element, value) in of_every_kind() {
        let bytes = document(&element);
        assert_eq!(validate(&bytes, DEPTH_MAX), Ok(()), "{value:?}");
        assert_eq!(whole(&bytes).first(), Ok(Some(("k", value))));
        let mut writer = Writer::new();
        writer.value("k", &value);
        assert_eq!(writer.finish(), bytes);
    }
}

#[test]
fn an_element_that_is_cut_short_is_refused() {
    for (element, value) in of_every_kind() {
        for cut in 1..element.len() {
            let bytes = document(&element[..cut]);
            assert!(
                validate(&bytes, DEPTH_MAX).is_err(),
                "{value:?} cut at {cut}"
            );
            let mut elements = whole(&bytes).elements();
            assert!(elements.next().unwrap().is_err());
            assert!(elements.next().is_none(), "an error ends the walk");
        }
    }
}

#[test]
fn lengths_that_no_document_has_are_refused() {
    for (bytes, error) in [
        (&b""[..], Error::Truncated("document length")),
        (b"\x05\0\0", Error::Truncated("document length")),
        (b"\x04\0\0\0\0", Error::Invalid("document length")),
        (b"\0\0\0\0\0", Error::Invalid("document length")),
        (b"\xff\xff\xff\xff\0", Error::Invalid("document length")),
        (b"\0\0\0\x80\0", Error::Invalid("document length")),
        (b"\x06\0\0\0\0", Error::Truncated("document")),
        (b"\x05\0\0\0\x01", Error::Terminator("document")),
    ] {
        assert_eq!(Document::read(bytes).err(), Some(error), "{bytes:?}");
    }
    assert_eq!(
        Document::whole(b"\x05\0\0\0\0\0").err(),
        Some(Error::Trailing("document"))
    );
}

#[test]
fn a_document_of_more_than_16_mb_is_refused_by_its_length() {
    for length in [16_793_601, 48_000_000, i32::MAX] {
        let refused = Document::length(&length.to_le_bytes());
        assert_eq!(
            refused,
            Err(Error::TooLong {
                field: "document",
                bytes: length.unsigned_abs().into(),
                max: 16_793_600,
            })
        );
    }
    let longest = Document::length(&16_793_600_i32.to_le_bytes());
    assert_eq!(longest, Ok(Some(16_793_600)));
}

#[test]
fn values_that_overrun_their_document_are_refused() {
    for (element, error) in [
        (&b"\x02k\0\x09\0\0\0a\0"[..], Error::Truncated("string")),
        (b"\x02k\0\0\0\0\0\0", Error::Invalid("string length")),
        (
            b"\x02k\0\xff\xff\xff\xff\0",
            Error::Invalid("string length"),
        ),
        (b"\x02k\0\x01\0\0\0a", Error::Terminator("string")),
        (b"\x03k\0\x06\0\0\0\0", Error::Truncated("document")),
        (b"\x05k\0\xff\xff\xff\x7f\0a", Error::Truncated("binary")),
        (
            b"\x05k\0\xff\xff\xff\xff\0a",
            Error::Invalid("binary length"),
        ),
        (b"\x08k\0\x02", Error::Invalid("boolean")),
        (b"\x0bk\0^a\0im", Error::Terminator("options")),
        (b"\x0fk\0\x03\0\0\0", Error::Invalid("code with scope")),
        (
            b"\x0fk\0\x10\0\0\0\x02\0\0\0f\0\x05\0\0\0\0\0",
            Error::Trailing("document"),
        ),
        (b"\x14k\0", Error::Invalid("element kind")),
        (b"\0k\0", Error::Invalid("element kind")),
        (b"\x10k", Error::Terminator("element key")),
    ] {
        let bytes = document(element);
        assert_eq!(validate(&bytes, DEPTH_MAX), Err(error), "{element:?}");
        assert!(!passes(&bytes, bytes.len()) && !passes(&bytes, 1));
    }
}

/// Whether a document, whose length was read, is valid while it passes in parts of so many bytes.
fn passes(bytes: &[u8], chunk_bytes: usize) -> bool {
    let mut walk = Walk::of(bytes.len());
    let mut taken = 0;
    for chunk in bytes.get(4..).unwrap_or_default().chunks(chunk_bytes) {
        let Ok(step) = walk.step(chunk) else {
            return false;
        };
        taken += step;
    }
    walk.is_done() && taken == bytes.len() - 4
}

#[test]
fn documents_are_nested_as_deep_as_the_server_takes_them() {
    assert_eq!(validate(&nested(DEPTH_MAX), DEPTH_MAX), Ok(()));
    assert!(passes(&nested(DEPTH_MAX), 1));
    for depth in [DEPTH_MAX + 1, 10_000] {
        let passed = Walk::of(nested(depth).len()).step(&nested(depth)[4..]);
        assert_eq!(passed, Err(Error::Depth(DEPTH_MAX)));
        let refused = validate(&nested(depth), DEPTH_MAX);
        assert_eq!(refused, Err(Error::Depth(DEPTH_MAX)));
        assert_eq!(refused.unwrap_err().code().name(), "Overflow");
    }
    // The scope of code counts too.
    let inner = nested(DEPTH_MAX);
    let mut element = b"\x0fk\0".to_vec();
    let length = i32::try_from(4 + 6 + inner.len()).unwrap();
    element.extend_from_slice(&length.to_le_bytes());
    element.extend_from_slice(b"\x02\0\0\0f\0");
    element.extend_from_slice(&inner);
    let bytes = document(&element);
    let refused = Err(Error::Depth(DEPTH_MAX));
    assert_eq!(validate(&bytes, DEPTH_MAX), refused);
    assert_eq!(Walk::of(bytes.len()).step(&bytes[4..]).map(drop), refused);
}

#[test]
fn a_key_that_is_not_utf_8_is_an_error_only_where_it_is_wanted_as_text() {
    let bytes = document(b"\x10\xff\0\x01\0\0\0\x10k\0\x02\0\0\0");
    let read = whole(&bytes);
    assert_eq!(validate(&bytes, DEPTH_MAX), Ok(()));
    assert_eq!(read.get("k"), Ok(Some(Value::Int32(2))));
    assert_eq!(read.first(), Err(Error::Utf8("element key")));
}

#[test]
fn the_first_of_two_equal_keys_counts() {
    let bytes = document(b"\x10k\0\x01\0\0\0\x10k\0\x02\0\0\0");
    assert_eq!(whole(&bytes).get("k"), Ok(Some(Value::Int32(1))));
}

#[test]
fn numbers_without_a_fraction_are_integers() {
    for (value, number) in [
        (Value::Int32(-3), Some(-3)),
        (Value::Int64(i64::MAX), Some(i64::MAX)),
        (Value::Double(1.0), Some(1)),
        (Value::Double(-0.0), Some(0)),
        (Value::Double(-9_223_372_036_854_775_808.0), Some(i64::MIN)),
        (Value::Double(9_223_372_036_854_775_808.0), None),
        (Value::Double(0.5), None),
        (Value::Double(f64::NAN), None),
        (Value::Double(f64::INFINITY), None),
        (Value::String("1"), None),
        (Value::Bool(true), None),
    ] {
        assert_eq!(value.as_i64(), number, "{value:?}");
    }
}

#[test]
fn what_counts_as_true_is_what_the_server_takes_for_it() {
    let decimal = |digit: u8, top: u8| {
        let mut bytes = [0; 16];
        (bytes[0], bytes[15]) = (digit, top);
        bytes
    };
    let (zero, one) = (decimal(0, 0x30), decimal(1, 0x30));
    let (infinity, nan) = (decimal(0, 0x78), decimal(0, 0x7c));
    let minus_zero = decimal(0, 0xb0);
    let other = |bytes| Value::Other {
        kind: kind::DECIMAL128,
        bytes,
    };
    for (value, truth) in [
        (Value::Bool(false), false),
        (Value::Int32(0), false),
        (Value::Int64(0), false),
        (Value::Double(0.0), false),
        (Value::Double(-0.0), false),
        (Value::Double(f64::NAN), true),
        (Value::Null, false),
        (
            Value::Other {
                kind: kind::UNDEFINED,
                bytes: b"",
            },
            false,
        ),
        (Value::String(""), true),
        (Value::String("false"), true),
        (Value::Int32(-1), true),
        (Value::Date(0), true),
        (other(&zero), false),
        (other(&minus_zero), false),
        (other(&one), true),
        (other(&infinity), true),
        (other(&nan), true),
    ] {
        assert_eq!(value.truthy(), truth, "{value:?}");
    }
}

#[test]
fn a_zero_byte_ends_a_key_that_is_written() {
    let mut writer = Writer::new();
    writer.i32("a\0\x10b", 1).null("");
    let bytes = writer.finish();
    assert_eq!(validate(&bytes, DEPTH_MAX), Ok(()));
    assert_eq!(whole(&bytes).first(), Ok(Some(("a", Value::Int32(1)))));
    assert_eq!(whole(&bytes).get(""), Ok(Some(Value::Null)));
}

#[test]
fn documents_are_not_printed() {
    let bytes = document(b"\x02pwd\0\x07\0\0\0secret\0");
    let element = whole(&bytes).elements().next().unwrap().unwrap();
    assert!(!format!("{:?} {element:?}", whole(&bytes)).contains("secret"));
}

/// A tree of a few kinds, for writing.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
    Document(Vec<(String, Self)>),
    Array(Vec<Self>),
}

pub(super) fn trees() -> impl Strategy<Value = Vec<(String, Tree)>> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Tree::Number),
        ".{0,40}".prop_map(Tree::Text),
        prop::collection::vec(any::<u8>(), 0..2_000).prop_map(Tree::Bytes),
    ];
    let tree = leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(("[a-z]{0,6}", inner.clone()), 0..6).prop_map(Tree::Document),
            prop::collection::vec(inner, 0..6).prop_map(Tree::Array),
        ]
    });
    prop::collection::vec(("[a-z]{1,6}", tree), 0..6)
}

pub(super) fn write(tree: &[(String, Tree)], writer: &mut Writer) {
    for (key, value) in tree {
        match value {
            Tree::Number(number) => writer.i64(key, *number),
            Tree::Text(text) => writer.str(key, text),
            Tree::Bytes(bytes) => writer.binary(key, 0, bytes),
            Tree::Document(inner) => writer.document(key, |writer| write(inner, writer)),
            Tree::Array(inner) => writer.array(key, |array| write_array(inner, array)),
        };
    }
}

fn write_array(tree: &[Tree], array: &mut Array) {
    for value in tree {
        match value {
            Tree::Number(number) => array.i64(*number),
            Tree::Text(text) => array.str(text),
            Tree::Document(inner) => array.document(|writer| write(inner, writer)),
            // Those without a method of their own go by way of a document.
            value => {
                let mut writer = Writer::new();
                write(&[(String::new(), value.clone())], &mut writer);
                let bytes = writer.finish();
                let (_, value) = whole(&bytes).first().unwrap().unwrap();
                array.value(&value)
            }
        };
    }
}

fn copy(document: Document<'_>, writer: &mut Writer) {
    for element in document.iter() {
        let (key, value) = element.unwrap();
        match value {
            Value::Document(inner) => writer.document(key, |writer| copy(inner, writer)),
            value => writer.value(key, &value),
        };
    }
}

proptest! {
    #[test]
    fn what_is_written_is_valid_and_read_and_written_again_is_the_same(tree in trees()) {
        let mut writer = Writer::new();
        write(&tree, &mut writer);
        let bytes = writer.finish();
        prop_assert_eq!(validate(&bytes, DEPTH_MAX), Ok(()));
        let keys: Vec<_> = whole(&bytes).iter().map(|read| read.unwrap().0).collect();
        let expected: Vec<_> = tree.iter().map(|(key, _)| key.as_str()).collect();
        prop_assert_eq!(keys, expected);
        let mut again = Writer::new();
        copy(whole(&bytes), &mut again);
        prop_assert_eq!(again.finish(), bytes.clone());
        let mut again = Writer::new();
        again.extend(whole(&bytes));
        prop_assert_eq!(again.finish(), bytes);
    }

    #[test]
    fn one_changed_byte_never_makes_a_walk_leave_the_document(
        tree in trees(),
        place: prop::sample::Index,
        byte: u8,
    ) {
        let mut writer = Writer::new();
        write(&tree, &mut writer);
        let mut bytes = writer.finish();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let valid = validate(&bytes, DEPTH_MAX).is_ok();
        if Document::whole(&bytes).is_ok() {
            for chunk_bytes in [1, 3, bytes.len()] {
                prop_assert_eq!(passes(&bytes, chunk_bytes), valid);
            }
        }
        if let Ok((document, length)) = Document::read(&bytes) {
            prop_assert!(length <= bytes.len());
            let mut inside = document.bytes().len();
            for element in document.elements().filter_map(Result::ok) {
                inside -= 2 + element.key.len() + element.bytes.len();
            }
            prop_assert!(inside >= 5);
            prop_assert!(!valid || inside == 5);
        }
    }

    #[test]
    fn random_bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = document(&input);
        let valid = validate(&bytes, DEPTH_MAX).is_ok();
        prop_assert_eq!(passes(&bytes, 1), valid);
        prop_assert_eq!(passes(&bytes, 200), valid);
        let _ = validate(&input, DEPTH_MAX);
        let _ = whole(&bytes).iter().count();
    }
}
