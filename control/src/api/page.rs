//! Lists in pages. A cursor is opaque and holds the key behind which the next page begins, so a
//! page costs the same wherever it is and stays right while rows come and go.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Items of a page if the caller does not say.
const LIMIT_DEFAULT: u32 = 100;
/// Most items of a page.
const LIMIT_MAX: u32 = 1_000;

/// Which page of a list; for lists without filters.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Most items to give, 1 to 1000; 100 if left out.
    pub(crate) limit: Option<u32>,
    /// `next` of the page before.
    pub(crate) cursor: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// The cursor of the next page; null on the last.
    pub(crate) next: Option<String>,
}

/// What a list has to be asked for.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// What the cursor is bound to: the list and its filters.
    list: String,
    pub(crate) after: String,
    limit: u32,
}

impl Window {
    /// Checks what the caller asked for. `list` names the list and all of its filters: a cursor of
    /// another list is refused.
    pub(crate) fn new(list: &str, limit: Option<u32>, cursor: Option<&str>) -> Result<Self> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Error::invalid(format!("limit is 1 to {LIMIT_MAX}")));
        }
        Ok(Self {
            after: cursor
                .map(|cursor| open(list, cursor))
                .transpose()?
                .unwrap_or_default(),
            list: list.to_owned(),
            limit,
        })
    }

    /// How many rows to fetch: one more than are given, to see whether there is a next page.
    pub(crate) fn fetch(&self) -> u32 {
        self.limit + 1
    }

    /// The page, from as many rows as [`Self::fetch`] says. `key` gives what rows are ordered by.
    pub(crate) fn page<R, T>(
        &self,
        mut rows: Vec<R>,
        key: impl Fn(&R) -> &str,
        item: impl FnMut(R) -> T,
    ) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows
            .last()
            .filter(|_| more)
            .map(|row| URL_SAFE_NO_PAD.encode(format!("{}\n{}", self.list, key(row))));
        Page {
            items: rows.into_iter().map(item).collect(),
            next,
        }
    }
}

fn open(list: &str, cursor: &str) -> Result<String> {
    URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| {
            let (of, after) = text.split_once('\n')?;
            (of == list).then(|| after.to_owned())
        })
        .ok_or_else(|| Error::invalid("the cursor is not one of this list with these filters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_and_end() {
        let all = ["a", "b", "c", "d", "e"];
        let mut cursor: Option<String> = None;
        let mut seen = Vec::new();
        for _ in 0..3 {
            let window = Window::new("letters", Some(2), cursor.as_deref()).unwrap();
            let rows: Vec<&str> = all
                .iter()
                .copied()
                .filter(|row| *row > window.after.as_str())
                .take(window.fetch() as usize)
                .collect();
            let page = window.page(rows, |row| row, |row| row);
            seen.extend(page.items);
            cursor = page.next;
        }
        assert_eq!(seen, all);
        assert_eq!(cursor, None);
    }

    #[test]
    fn limits_and_foreign_cursors_are_refused() {
        assert!(Window::new("x", Some(0), None).is_err());
        assert!(Window::new("x", Some(1_001), None).is_err());
        let window = Window::new("x", Some(1), None).unwrap();
        let next = window
            .page(vec!["a", "b"], |row| row, |row| row)
            .next
            .unwrap();
        assert!(Window::new("x", None, Some(&next)).is_ok());
        assert!(Window::new("y", None, Some(&next)).is_err());
        assert!(Window::new("x", None, Some("!")).is_err());
    }
}
