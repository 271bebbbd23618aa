//! Migration tools' own history tables: they live in the workspace and are no part of a blueprint.

/// Names of history tables, by default. `*` at the end stands for anything; a name with a dot is
/// bound to that schema.
pub const HISTORY_TABLES: &[&str] = &[
    "_prisma_migrations",
    "schema_migrations",
    "ar_internal_metadata",
    "flyway_schema_history",
    "databasechangelog",
    "databasechangeloglock",
    "alembic_version",
    "django_migrations",
    "goose_db_version",
    "_sqlx_migrations",
    "refinery_schema_history",
    "atlas_schema_revisions",
    "SequelizeMeta",
    "typeorm_metadata",
    "knex_migrations*",
    "knex_migrations_lock",
    "__EFMigrationsHistory",
    "__drizzle_migrations",
];

/// Which tables are no part of a blueprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    patterns: Vec<String>,
}

impl Default for Excluded {
    fn default() -> Self {
        Self::new(HISTORY_TABLES.iter().map(|name| (*name).to_owned()))
    }
}

impl Excluded {
    /// Takes patterns in the form of [`HISTORY_TABLES`].
    pub fn new(patterns: impl IntoIterator<Item = String>) -> Self {
        Self {
            patterns: patterns.into_iter().collect(),
        }
    }

    /// The names without schema and without `*`, for a first look at a statement's text.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(|pattern| {
            let name = pattern
                .split_once('.')
                .map_or(pattern.as_str(), |(_, name)| name);
            name.strip_suffix('*').unwrap_or(name)
        })
    }

    /// Whether a MongoDB collection is left out.
    #[must_use]
    pub fn collection(&self, name: &str) -> bool {
        name.starts_with("mongock") || self.table("", name)
    }

    /// Whether the table is left out. Both names as stored, without quotes.
    #[must_use]
    pub fn table(&self, schema: &str, name: &str) -> bool {
        self.patterns.iter().any(|pattern| {
            let (wanted, name_pattern) = match pattern.split_once('.') {
                Some((wanted, rest)) => (Some(wanted), rest),
                None => (None, pattern.as_str()),
            };
            let name_matches = match name_pattern.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == name_pattern,
            };
            name_matches && wanted.is_none_or(|wanted| wanted == schema)
        })
    }

    /// The same for a name that was folded to lower case.
    #[must_use]
    pub fn table_in_any_case(&self, schema: &str, name: &str) -> bool {
        let lower = |pattern: &String| pattern.to_lowercase();
        Self::new(self.patterns.iter().map(lower)).table(schema, &name.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_tables_are_left_out_in_any_schema_and_others_are_not() {
        let excluded = Excluded::default();
        assert!(excluded.table("public", "_prisma_migrations"));
        assert!(excluded.table("drizzle", "__drizzle_migrations"));
        assert!(excluded.table("public", "knex_migrations_lock"));
        assert!(!excluded.table("public", "users"));
        assert!(!excluded.table("public", "schema_migrations_archive"));
    }

    #[test]
    fn a_pattern_with_a_schema_is_bound_to_it() {
        let excluded = Excluded::new(["audit.log*".to_owned()]);
        assert!(excluded.table("audit", "log_2"));
        assert!(!excluded.table("public", "log_2"));
    }
}
