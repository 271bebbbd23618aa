use proptest::prelude::*;

use super::*;
use crate::relay::gate::Flow;

/// Writes down what it is shown; asks for the first 3 bytes of `s` messages, ends at `X`, holds at
/// `Z` messages whose body begins with `!`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Notes(Vec<(u8, Vec<u8>)>);

impl Watch for Notes {
    fn begins(&mut self, tag: u8) -> Flow {
        if tag == b'X' { Flow::End } else { Flow::On }
    }

    fn header(&mut self, header: Header) -> usize {
        match header.tag {
            b's' => 3,
            b'Z' => 1,
            tag => {
                self.0.push((tag, Vec::new()));
                0
            }
        }
    }

    fn body(&mut self, header: Header, start: &[u8]) -> Result<Flow, Error> {
        self.0.push((header.tag, start.to_vec()));
        let hold = header.tag == b'Z' && start == b"!";
        Ok(if hold { Flow::Hold } else { Flow::On })
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag], &length.to_be_bytes()[..], body].concat()
}

/// Forwards `stream` cut at `cuts`, lifting each hold at once. Answers what was forwarded, how far
/// each hold let it go, and the notes.
fn forward(stream: &[u8], cuts: &[usize]) -> (Vec<u8>, Vec<usize>, Notes) {
    let (mut skim, mut notes) = (Skim::default(), Notes::default());
    let (mut out, mut holds) = (Vec::new(), Vec::new());
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    ends.push(stream.len());
    ends.sort_unstable();
    let mut start = 0;
    for end in ends {
        let mut chunk = &stream[start..end];
        start = end;
        while !chunk.is_empty() {
            let look = skim.look(chunk, &mut notes).unwrap();
            assert!(look.pass <= look.seen && look.seen <= chunk.len());
            out.extend_from_slice(&chunk[..look.pass]);
            match look.flow {
                Flow::On => assert_eq!(look.seen, chunk.len()),
                Flow::Hold => holds.push(out.len()),
                Flow::End => return (out, holds, notes),
            }
            out.extend_from_slice(&chunk[look.pass..look.seen]);
            chunk = &chunk[look.seen..];
        }
    }
    (out, holds, notes)
}

fn messages() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let tag = prop::sample::select(b"sZDCI".to_vec());
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..9),
        Just(b"!".to_vec()),
    ];
    prop::collection::vec((tag, body), 0..12)
}

proptest! {
    #[test]
    fn where_the_stream_is_cut_makes_no_difference(
        list in messages(),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let stream: Vec<u8> = list.iter().flat_map(|(tag, body)| message(*tag, body)).collect();
        let (whole, whole_holds, whole_notes) = forward(&stream, &[]);
        let (cut, cut_holds, cut_notes) = forward(&stream, &cuts);
        prop_assert_eq!(&whole, &stream);
        prop_assert_eq!(&cut, &stream);
        prop_assert_eq!(whole_notes, cut_notes);
        prop_assert_eq!(whole_holds.len(), cut_holds.len());
        for (whole, cut) in whole_holds.iter().zip(&cut_holds) {
            // A held message is 6 bytes long; of one that was cut the header may be gone already.
            prop_assert!((*whole..*whole + 6).contains(cut));
        }
    }

    #[test]
    fn nothing_of_a_message_that_ends_the_stream_is_forwarded(
        list in messages(),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let before: Vec<u8> = list.iter().flat_map(|(tag, body)| message(*tag, body)).collect();
        let stream = [&before[..], &message(b'X', b""), &message(b'Q', b"late\0")].concat();
        prop_assert_eq!(forward(&stream, &cuts).0, before);
    }
}

#[test]
fn a_length_that_cannot_be_is_an_error() {
    let refused = Skim::default().look(b"Q\0\0\0\x03", &mut Notes::default());
    assert_eq!(refused, Err(Error::Length(3)));
}
