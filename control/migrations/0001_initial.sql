-- Everything that control knows. Portable between SQLite and PostgreSQL: TEXT, BIGINT, BOOLEAN.
-- Times are RFC 3339 text in UTC with six decimals, so that they sort as text.

-- One row. `epoch` names this store: revisions of another epoch mean nothing here.
-- `rev` is raised in the transaction of each change of a route; `rev_floor` is the highest
-- revision whose tombstone was removed: who is below it needs a snapshot.
CREATE TABLE meta (
    singleton BIGINT PRIMARY KEY CHECK (singleton = 1),
    epoch     TEXT   NOT NULL,
    rev       BIGINT NOT NULL,
    rev_floor BIGINT NOT NULL
);

-- Database servers. `password` is the admin's, sealed with the master key.
CREATE TABLE servers (
    id         TEXT   PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE,
    engine     TEXT   NOT NULL,
    addr       TEXT   NOT NULL,
    tls        TEXT   NOT NULL,
    username   TEXT   NOT NULL,
    password   TEXT   NOT NULL,
    mode       TEXT   NOT NULL,
    labels     TEXT   NOT NULL,
    capacity   BIGINT,
    version    TEXT   NOT NULL,
    created_at TEXT   NOT NULL,
    UNIQUE (engine, addr)
);

-- A blueprint and its workspace, which is the database `{name}_dev` on `server_id`.
-- `ordinal` is the n of the current version 1.n. status: creating | active | deleting | failed.
CREATE TABLE blueprints (
    name       TEXT   PRIMARY KEY,
    engine     TEXT   NOT NULL,
    server_id  TEXT   NOT NULL REFERENCES servers (id),
    ordinal    BIGINT NOT NULL,
    status     TEXT   NOT NULL,
    reason     TEXT   NOT NULL DEFAULT '',
    created_at TEXT   NOT NULL
);

-- `verified` when replaying the versions up to this one was seen to give the workspace's schema.
CREATE TABLE versions (
    blueprint  TEXT    NOT NULL REFERENCES blueprints (name),
    ordinal    BIGINT  NOT NULL,
    verified   BOOLEAN NOT NULL,
    created_at TEXT    NOT NULL,
    PRIMARY KEY (blueprint, ordinal)
);

-- The statements of a version, in the order in which they took effect.
CREATE TABLE statements (
    blueprint        TEXT    NOT NULL,
    ordinal          BIGINT  NOT NULL,
    place            BIGINT  NOT NULL,
    ddl              TEXT    NOT NULL,
    tag              TEXT    NOT NULL,
    search_path      TEXT    NOT NULL,
    deploy           BOOLEAN NOT NULL,
    origin           TEXT    NOT NULL,
    captured_at      TEXT    NOT NULL,
    username         TEXT    NOT NULL,
    application_name TEXT    NOT NULL,
    PRIMARY KEY (blueprint, ordinal, place),
    FOREIGN KEY (blueprint, ordinal) REFERENCES versions (blueprint, ordinal)
);

-- What proxies sent about workspace sessions. An id is taken once. `spent` when a sealing that
-- came after it has used what there was to use.
CREATE TABLE captures (
    id          TEXT    PRIMARY KEY,
    blueprint   TEXT    NOT NULL REFERENCES blueprints (name),
    body        TEXT    NOT NULL,
    spent       BOOLEAN NOT NULL,
    received_at TEXT    NOT NULL
);
CREATE INDEX captures_unspent ON captures (blueprint, received_at) WHERE NOT spent;

-- Transactions of the workspace that are in the blueprint already. The store commits before the
-- ledger is marked: a crash between the two must not make a version of the same rows again.
CREATE TABLE sealed_transactions (
    blueprint TEXT   NOT NULL REFERENCES blueprints (name),
    xid       TEXT   NOT NULL,
    ordinal   BIGINT,
    sealed_at TEXT   NOT NULL,
    PRIMARY KEY (blueprint, xid)
);

-- A blueprint on a server that has, or may have, its roles.
CREATE TABLE blueprint_servers (
    blueprint TEXT NOT NULL REFERENCES blueprints (name),
    server_id TEXT NOT NULL REFERENCES servers (id),
    PRIMARY KEY (blueprint, server_id)
);

-- status: creating | active | suspended | deleting | failed.
CREATE TABLE tenants (
    name        TEXT PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    external_id TEXT,
    labels      TEXT NOT NULL,
    status      TEXT NOT NULL,
    reason      TEXT NOT NULL DEFAULT '',
    created_at  TEXT NOT NULL
);
CREATE INDEX tenants_status ON tenants (status, name);

-- A tenant's database of one blueprint. status: creating | active | deleting | failed; whether it
-- is suspended is the tenant's affair. `ordinal` repeats the version marker in the database.
CREATE TABLE databases (
    engine     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    tenant     TEXT    NOT NULL REFERENCES tenants (name),
    blueprint  TEXT    NOT NULL REFERENCES blueprints (name),
    server_id  TEXT    NOT NULL REFERENCES servers (id),
    ordinal    BIGINT  NOT NULL,
    status     TEXT    NOT NULL,
    reason     TEXT    NOT NULL DEFAULT '',
    allow_ddl  BOOLEAN NOT NULL,
    created_at TEXT    NOT NULL,
    PRIMARY KEY (engine, name),
    UNIQUE (tenant, blueprint)
);
CREATE INDEX databases_blueprint ON databases (blueprint, tenant);
CREATE INDEX databases_server ON databases (server_id);
CREATE INDEX databases_unsettled ON databases (status) WHERE status <> 'active';

-- Who may log in to a tenant's database or to a workspace. The verifier cannot log in to anything.
-- `applied` is false from the moment the row (or the tenant's status) is changed until the server
-- has been told.
CREATE TABLE logins (
    engine     TEXT    NOT NULL,
    database   TEXT    NOT NULL,
    username   TEXT    NOT NULL,
    verifier   TEXT    NOT NULL,
    generation BIGINT  NOT NULL,
    applied    BOOLEAN NOT NULL,
    PRIMARY KEY (engine, database, username)
);
CREATE INDEX logins_unapplied ON logins (engine, database) WHERE NOT applied;

-- What proxies are told. A dropped route stays as a tombstone until it is compacted.
CREATE TABLE routes (
    engine     TEXT    NOT NULL,
    database   TEXT    NOT NULL,
    rev        BIGINT  NOT NULL UNIQUE,
    dropped    BOOLEAN NOT NULL,
    body       TEXT    NOT NULL,
    changed_at TEXT    NOT NULL,
    PRIMARY KEY (engine, database)
);
CREATE INDEX routes_dropped ON routes (changed_at) WHERE dropped;

CREATE TABLE proxies (
    id          TEXT   PRIMARY KEY,
    acked_rev   BIGINT NOT NULL,
    last_ack_at TEXT   NOT NULL
);

-- Keys and tokens are random, so a plain SHA-256 of them is enough.
CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    hash         TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    last_used_at TEXT
);

CREATE TABLE proxy_tokens (
    id         TEXT PRIMARY KEY,
    hash       TEXT NOT NULL,
    created_at TEXT NOT NULL
);

-- Answers to repeat. `status` is NULL while the first request runs; `body` holds no secret.
CREATE TABLE idempotency_keys (
    api_key      TEXT   NOT NULL,
    method       TEXT   NOT NULL,
    path         TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    request_hash TEXT   NOT NULL,
    status       BIGINT,
    body         TEXT   NOT NULL,
    created_at   TEXT   NOT NULL,
    PRIMARY KEY (api_key, method, path, name)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- status: pending | running | completed | failed. `ordinal` is the target version. `reason` says
-- why nothing could be deployed at all.
CREATE TABLE deployments (
    id          TEXT   PRIMARY KEY,
    blueprint   TEXT   NOT NULL REFERENCES blueprints (name),
    ordinal     BIGINT NOT NULL,
    status      TEXT   NOT NULL,
    reason      TEXT   NOT NULL DEFAULT '',
    created_at  TEXT   NOT NULL,
    finished_at TEXT
);
CREATE INDEX deployments_created ON deployments (created_at, id);
CREATE INDEX deployments_blueprint ON deployments (blueprint, created_at, id);
CREATE INDEX deployments_open ON deployments (status) WHERE finished_at IS NULL;

-- One row for each database that a deployment is to bring to its version, chosen when it starts.
-- status: pending | running | completed | failed | skipped. `place` is the order of the results.
CREATE TABLE deployment_targets (
    deployment   TEXT   NOT NULL REFERENCES deployments (id),
    place        BIGINT NOT NULL,
    engine       TEXT   NOT NULL,
    database     TEXT   NOT NULL,
    tenant       TEXT   NOT NULL,
    server_id    TEXT   NOT NULL,
    status       TEXT   NOT NULL,
    from_ordinal BIGINT,
    to_ordinal   BIGINT,
    error        TEXT,
    sqlstate     TEXT,
    statement    TEXT,
    duration_ms  BIGINT,
    PRIMARY KEY (deployment, place)
);
CREATE INDEX deployment_targets_status ON deployment_targets
    (deployment, status, server_id, place);
