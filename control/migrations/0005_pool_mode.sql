-- When a MongoDB database's server connections are given back: session or transaction. A Redis
-- database has it in the settings of its version; the others have sessions only.
ALTER TABLE databases ADD COLUMN pool_mode TEXT NOT NULL DEFAULT 'session';
