//! What control prints for applications: `scheme://user:password@host:port/database`.

use serde_json::Value;

/// A login of one database, whatever the engine.
#[derive(Clone, Debug)]
pub struct ConnectionString {
    /// User name; the same as the database's.
    pub user: String,
    /// Its password.
    pub password: String,
    /// `host:port` that control printed: the first proxy's.
    pub address: String,
    /// Database name; for Redis, whose user names the database, the number of it.
    pub name: String,
}

impl ConnectionString {
    /// Reads the connection string in an answer of control.
    ///
    /// # Panics
    ///
    /// If there is none, or it is of another form or engine.
    #[must_use]
    #[track_caller]
    pub fn issued(value: &Value, scheme: &str) -> Self {
        let text = value.as_str().unwrap_or_default();
        Self::parse(text, scheme).unwrap_or_else(|| panic!("no {scheme}:// of a login: {value}"))
    }

    fn parse(text: &str, scheme: &str) -> Option<Self> {
        let rest = text.strip_prefix(scheme)?.strip_prefix("://")?;
        let (login, rest) = rest.split_once('@')?;
        let (user, password) = login.split_once(':')?;
        let (address, name) = rest.split_once('/')?;
        let name = name.split('?').next()?;
        Some(Self {
            user: user.to_owned(),
            password: password.to_owned(),
            address: address.to_owned(),
            name: name.to_owned(),
        })
    }
}
