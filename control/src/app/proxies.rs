//! Rules of proxies: who may follow the feed and send captures.

use tenantsdb_codecs::secret::Secret;

use crate::context::Context;
use crate::error::{Code, Error, Result};
use crate::secret::{Token, hash_matches};
use crate::store::{Write, proxies};

/// What a proxy token starts with.
pub(crate) const PREFIX: &str = "tdb_pt";
/// Longest id of a proxy, in bytes.
const ID_BYTES_MAX: usize = 128;

/// Makes a token; its text is shown once.
pub(crate) async fn token_create(write: &mut Write<'_>) -> Result<Secret<String>> {
    let token = Token::new(PREFIX)?;
    proxies::token_insert(write, &token.id, &token.hash).await?;
    Ok(token.text)
}

/// Checks the token that a proxy shows.
pub(crate) async fn authenticate(context: &Context, text: &str) -> Result<()> {
    let refused = || Error::new(Code::Unauthorized, "the proxy token is not valid");
    let id = Token::id_of(PREFIX, text).ok_or_else(refused)?;
    proxies::token_hash(&mut *context.store.read().await?, id)
        .await?
        .filter(|hash| hash_matches(hash, text))
        .map(|_| ())
        .ok_or_else(refused)
}

/// Checks the id that a proxy gives itself.
pub(crate) fn check_id(id: &str) -> Result<()> {
    match id.len() {
        1..=ID_BYTES_MAX if id.bytes().all(|b| b.is_ascii_graphic()) => Ok(()),
        _ => Err(Error::new(
            Code::InvalidName,
            "a proxy id is 1 to 128 printable characters without spaces",
        )),
    }
}
