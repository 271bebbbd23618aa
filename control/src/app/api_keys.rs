//! Rules of API keys: shown once, stored hashed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tenantsdb_codecs::secret::Secret;

use crate::context::Context;
use crate::error::{Code, Error, Result};
use crate::secret::{Token, hash_matches};
use crate::store::api_keys::{self, ApiKey};
use crate::store::{self, Store, Write};

/// What an API key starts with.
pub(crate) const PREFIX: &str = "tdb_sk";
/// Longest name of a key, in characters.
const NAME_CHARS_MAX: usize = 100;

/// When keys were used, until it is written to the store: not one write for each request.
#[derive(Default)]
pub(crate) struct KeyUses {
    pending: Mutex<HashMap<String, String>>,
}

/// Makes a key; its text is shown once.
pub(crate) async fn create(write: &mut Write<'_>, name: &str) -> Result<(ApiKey, Secret<String>)> {
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(Error::new(
            Code::InvalidName,
            "a key has a name of 1 to 100 characters",
        ));
    }
    let token = Token::new(PREFIX)?;
    let key = ApiKey {
        id: format!("key_{}", token.id),
        name: name.to_owned(),
        hash: token.hash,
        created_at: store::now(),
        last_used_at: None,
    };
    api_keys::insert(write, &key).await?;
    Ok((key, token.text))
}

/// Removes a key, unless it is the last: nobody could make another.
pub(crate) async fn delete(context: &Context, id: &str) -> Result<()> {
    let mut write = context.store.write().await?;
    if !api_keys::delete(&mut write, id).await? {
        return Err(Error::not_found("API key", id));
    }
    if api_keys::count(&mut write).await? == 0 {
        return Err(
            Error::conflict("this is the last API key").hint("make another before you delete it")
        );
    }
    write.commit().await?;
    Ok(())
}

/// The key that a caller shows.
pub(crate) async fn authenticate(context: &Context, text: &str) -> Result<ApiKey> {
    let refused = || Error::new(Code::Unauthorized, "the API key is not valid");
    let id = Token::id_of(PREFIX, text).ok_or_else(refused)?;
    let id = format!("key_{id}");
    let key = api_keys::fetch(&mut *context.store.read().await?, &id)
        .await?
        .filter(|key| hash_matches(&key.hash, text))
        .ok_or_else(refused)?;
    context.key_uses.note(&key.id);
    Ok(key)
}

// === impl KeyUses ===

impl KeyUses {
    fn note(&self, id: &str) {
        self.lock().insert(id.to_owned(), store::now());
    }

    /// Writes down what was noted.
    pub(crate) async fn save(&self, store: &Store) -> Result<()> {
        let pending = std::mem::take(&mut *self.lock());
        if pending.is_empty() {
            return Ok(());
        }
        let mut write = store.write().await?;
        for (id, at) in &pending {
            api_keys::used(&mut write, id, at).await?;
        }
        write.commit().await?;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
