-- What MySQL and MariaDB need: their schema changes are no part of a transaction, and they have no
-- ledger.

-- What a tenant's login may do besides reading and writing (MySQL: TRUNCATE is DDL there), and
-- whether its server may ask clients for their local files.
ALTER TABLE databases ADD COLUMN allow_truncate BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE databases ADD COLUMN allow_local_infile BOOLEAN NOT NULL DEFAULT FALSE;

-- The highest version of which a statement may have been begun in the database. Raised before the
-- first statement runs: a marker in the database that says more than this was not written by us.
ALTER TABLE databases ADD COLUMN ordinal_begun BIGINT NOT NULL DEFAULT 0;
UPDATE databases SET ordinal_begun = ordinal;

-- The session's settings at that moment, and what the statement leaves (object to digest), as JSON.
-- NULL on PostgreSQL; `probe` also until a template was built with the statement.
ALTER TABLE statements ADD COLUMN context TEXT;
ALTER TABLE statements ADD COLUMN probe TEXT;

-- The workspace's schema as far as it is in the blueprint: object to definition, as JSON.
CREATE TABLE workspace_snapshots (
    blueprint TEXT PRIMARY KEY REFERENCES blueprints (name),
    body      TEXT NOT NULL
);

-- `online`: statements that would lock a table for writing are refused.
ALTER TABLE deployments ADD COLUMN online BOOLEAN NOT NULL DEFAULT FALSE;

-- Counted with the failed: nothing is run in that database until a person has looked.
ALTER TABLE deployment_targets ADD COLUMN needs_attention BOOLEAN NOT NULL DEFAULT FALSE;
