//! `tenantsdb-control init`: the store, the master key, one API key and one proxy token.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};

use tenantsdb_codecs::secret::Secret;

use crate::app::{api_keys, proxies};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::name::new_id;
use crate::secret::MasterKey;
use crate::store::{Store, api_keys as rows};

/// What `init` made. Both are shown once and stored as hashes.
pub struct Initialised {
    /// For `tdb` and other users of the REST API.
    pub api_key: Secret<String>,
    /// For every proxy.
    pub proxy_token: Secret<String>,
}

/// Makes the data directory (mode 0700) and everything in it.
///
/// # Errors
///
/// There is a store already, or something cannot be written.
pub async fn init(config: &Config) -> Result<Initialised> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.data)
        .map_err(Error::internal)?;
    MasterKey::create(&config.master_key)?;
    let path = config.store_path();
    let store = Store::create(&path, &new_id("epoch")?).await?;
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, mode).map_err(Error::internal)?;
    let mut write = store.write().await?;
    // The keys are what makes it initialised: a crash before this transaction leaves nothing that
    // anybody holds.
    if rows::count(&mut write).await? > 0 {
        return Err(Error::conflict(format!(
            "{} is initialised already",
            config.data.display()
        )));
    }
    let (_, api_key) = api_keys::create(&mut write, "initial").await?;
    let proxy_token = proxies::token_create(&mut write).await?;
    write.commit().await?;
    store.close().await;
    Ok(Initialised {
        api_key,
        proxy_token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keys_are_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let listen = ([127, 0, 0, 1], 0).into();
        let data = dir.path().join("data");
        let config = Config::new(data, listen, "localhost:6432".to_owned(), None).unwrap();
        let made = init(&config).await.unwrap();
        assert!(made.api_key.expose().starts_with("tdb_sk_"));
        assert!(made.proxy_token.expose().starts_with("tdb_pt_"));
        assert!(init(&config).await.is_err());
        for path in [config.store_path(), config.master_key.clone()] {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
    }
}
