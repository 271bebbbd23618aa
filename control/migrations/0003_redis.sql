-- What Redis needs: many databases on one server, told apart by what their keys begin with; and
-- blueprints that are settings.

-- Where the keys of a workspace or a tenant are. `prefix` is empty where the whole server is its
-- own. The row goes when the keys are gone: until then nobody else gets the prefix.
CREATE TABLE redis_namespaces (
    database  TEXT PRIMARY KEY,
    blueprint TEXT NOT NULL REFERENCES blueprints (name),
    server_id TEXT NOT NULL REFERENCES servers (id),
    prefix    TEXT NOT NULL,
    UNIQUE (server_id, prefix)
);

-- The settings of a version, whole, as JSON. A version without a row has the defaults.
CREATE TABLE redis_settings (
    blueprint TEXT   NOT NULL REFERENCES blueprints (name),
    ordinal   BIGINT NOT NULL,
    body      TEXT   NOT NULL,
    PRIMARY KEY (blueprint, ordinal)
);
