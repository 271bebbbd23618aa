//! Patterns of KEYS, SCAN MATCH and PSUBSCRIBE.
//!
//! As `stringmatchlen` in `src/util.c` reads them: `*`, `?`, `[abc]`, `[^a-z]`, `\x`. Work is
//! bounded by the product of both lengths, whatever the pattern is.

/// Whether `name` matches `pattern`.
#[must_use]
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    matches_within(pattern, name, &mut { u64::MAX }).unwrap_or_default()
}

/// Whether `name` matches `pattern`, if that takes no more than so many steps; `None` if it does.
/// A step is one thing of the pattern that is looked at for one byte. Those that were taken are
/// subtracted: at least one. A class may take a few more than there are, no more than its length.
pub fn matches_within(pattern: &[u8], name: &[u8], steps: &mut u64) -> Option<bool> {
    *steps = steps.checked_sub(1)?;
    // So the server has it: the empty name is matched by the empty pattern alone, not by `*`.
    if name.is_empty() {
        return Some(pattern.is_empty());
    }
    let (mut pattern, mut name) = (pattern, name);
    // Where to go on if what follows the last star does not fit: behind the star, and one byte
    // further in the name. A star before it need not be tried again.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        *steps = steps.checked_sub(1)?;
        if let Some(rest) = pattern.strip_prefix(b"*") {
            pattern = rest;
            star = Some((rest, name));
            continue;
        }
        let fits = match name.split_first() {
            None if pattern.is_empty() => return Some(true),
            // No byte is left, and the pattern wants one.
            None => return Some(false),
            Some((first, rest)) => one(pattern, *first, steps).map(|behind| (behind, rest)),
        };
        (pattern, name) = match (fits, &mut star) {
            (Some(next), _) => next,
            (None, Some((behind, from))) => {
                let Some((_, further)) = from.split_first() else {
                    return Some(false);
                };
                *from = further;
                (*behind, further)
            }
            (None, None) => return Some(false),
        };
    }
}

/// What is left of the pattern behind what matches this byte; `None` if that does not match it, or
/// the pattern is at its end.
fn one<'p>(pattern: &'p [u8], byte: u8, steps: &mut u64) -> Option<&'p [u8]> {
    match pattern {
        [] => None,
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => class(rest, byte, steps),
        // At the end of the pattern it is itself.
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (*literal == byte).then_some(rest),
    }
}

/// The same for what follows `[`. A class that is not closed ends with the pattern. Bytes are in
/// the order of C's `char`, which on x86 has a sign.
fn class<'p>(class: &'p [u8], byte: u8, steps: &mut u64) -> Option<&'p [u8]> {
    let (negated, mut class) = match class {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    let behind = loop {
        *steps = steps.saturating_sub(1); // the caller sees that none is left
        class = match class {
            [] => break class,
            [b']', rest @ ..] => break rest,
            [b'\\', literal, rest @ ..] => {
                found |= *literal == byte;
                rest
            }
            [from, b'-', to, rest @ ..] => {
                let [from, to, byte] = [*from, *to, byte].map(u8::cast_signed);
                found |= (from.min(to)..=from.max(to)).contains(&byte);
                rest
            }
            [literal, rest @ ..] => {
                found |= *literal == byte;
                rest
            }
        };
    };
    (found != negated).then_some(behind)
}

#[cfg(test)]
mod tests;
