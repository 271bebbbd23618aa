-- The ledger: what DDL took effect in this workspace, written in the transaction of the DDL.
--
-- The functions run as the administrator, in the caller's session and with the caller's
-- search_path (a SET clause would hide it): every name, type and operator is qualified, or a
-- caller's own operator would run with the administrator's rights.

CREATE SCHEMA IF NOT EXISTS tenantsdb;

CREATE TABLE IF NOT EXISTS tenantsdb.ledger (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid xid8 NOT NULL,
    -- One number for each firing of a trigger, that is for each statement executed.
    firing int8 NOT NULL,
    dropped bool NOT NULL,
    pid int4 NOT NULL,
    tag text NOT NULL,
    object_type text NOT NULL,
    identity text NOT NULL,
    search_path text NOT NULL,
    role text NOT NULL,
    login text NOT NULL,
    application_name text NOT NULL,
    -- NULL: as in the first row of this transaction with the same "at". One long message with many
    -- statements would be stored once for each of them.
    query text,
    -- What called the statement, if it was not the client itself.
    nested text,
    at timestamptz NOT NULL,
    sealed bool NOT NULL DEFAULT false
);
CREATE INDEX IF NOT EXISTS ledger_at ON tenantsdb.ledger (at);
CREATE INDEX IF NOT EXISTS ledger_open ON tenantsdb.ledger (id) WHERE NOT sealed;
CREATE SEQUENCE IF NOT EXISTS tenantsdb.firing;

-- Readable, so that pg_dump works for the workspace's login.
GRANT USAGE ON SCHEMA tenantsdb TO PUBLIC;
GRANT SELECT ON tenantsdb.ledger, tenantsdb.firing TO PUBLIC;
GRANT SELECT ON SEQUENCE tenantsdb.ledger_id_seq TO PUBLIC;

-- One row. The first row of a client's message in a transaction holds the message's text.
CREATE OR REPLACE FUNCTION tenantsdb.record(
    firing pg_catalog.int8, dropped pg_catalog.bool, tag pg_catalog.text,
    object_type pg_catalog.text, identity pg_catalog.text, context pg_catalog.text
) RETURNS pg_catalog.void
LANGUAGE plpgsql SECURITY DEFINER AS $record$
DECLARE
    message pg_catalog.text;
    line_end pg_catalog.int4;
    caller pg_catalog.text;
BEGIN
    IF NOT EXISTS (
        SELECT FROM tenantsdb.ledger l
        WHERE l.at OPERATOR(pg_catalog.=) pg_catalog.statement_timestamp()
          AND l.xid OPERATOR(pg_catalog.=) pg_catalog.pg_current_xact_id()
          AND l.query IS NOT NULL
    ) THEN
        message := pg_catalog.current_query();
    END IF;
    -- The first line of the context is the trigger's function itself.
    line_end := pg_catalog.strpos(context, pg_catalog.chr(10));
    IF line_end OPERATOR(pg_catalog.>) 0 THEN
        caller := pg_catalog.substr(context, line_end OPERATOR(pg_catalog.+) 1);
    END IF;
    INSERT INTO tenantsdb.ledger (xid, firing, dropped, pid, tag, object_type, identity,
        search_path, role, login, application_name, query, nested, at)
    VALUES (pg_catalog.pg_current_xact_id(), firing, dropped, pg_catalog.pg_backend_pid(), tag,
        COALESCE(object_type, ''), COALESCE(identity, ''),
        pg_catalog.current_setting('search_path'), pg_catalog.current_setting('role'),
        session_user, pg_catalog.current_setting('application_name'), message, caller,
        pg_catalog.statement_timestamp());
END
$record$;

CREATE OR REPLACE FUNCTION tenantsdb.on_ddl() RETURNS pg_catalog.event_trigger
LANGUAGE plpgsql SECURITY DEFINER AS $on_ddl$
DECLARE
    context pg_catalog.text;
    command pg_catalog.record;
    firing pg_catalog.int8;
BEGIN
    GET DIAGNOSTICS context = PG_CONTEXT;
    FOR command IN
        SELECT c.object_type, c.object_identity
        FROM pg_catalog.pg_event_trigger_ddl_commands() c
        WHERE NOT c.in_extension
          AND (c.schema_name IS NULL
               OR (c.schema_name OPERATOR(pg_catalog.<>) 'pg_temp'::pg_catalog.text
                   AND c.schema_name OPERATOR(pg_catalog.<>) 'tenantsdb'::pg_catalog.text))
          -- A trigger, a rule or a policy has no schema of its own: its table's counts.
          AND NOT EXISTS (
              SELECT FROM pg_catalog.pg_class r
              WHERE r.relpersistence OPERATOR(pg_catalog.=) 't'::"char"
                AND (r.oid OPERATOR(pg_catalog.=) (SELECT t.tgrelid FROM pg_catalog.pg_trigger t
                        WHERE t.oid OPERATOR(pg_catalog.=) c.objid
                          AND c.classid OPERATOR(pg_catalog.=)
                              'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid)
                  OR r.oid OPERATOR(pg_catalog.=) (SELECT w.ev_class FROM pg_catalog.pg_rewrite w
                        WHERE w.oid OPERATOR(pg_catalog.=) c.objid
                          AND c.classid OPERATOR(pg_catalog.=)
                              'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid)
                  OR r.oid OPERATOR(pg_catalog.=) (SELECT p.polrelid FROM pg_catalog.pg_policy p
                        WHERE p.oid OPERATOR(pg_catalog.=) c.objid
                          AND c.classid OPERATOR(pg_catalog.=)
                              'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid))
          )
    LOOP
        IF firing IS NULL THEN
            firing := pg_catalog.nextval('tenantsdb.firing'::pg_catalog.regclass);
        END IF;
        PERFORM tenantsdb.record(firing, false, tg_tag, command.object_type,
            command.object_identity, context);
    END LOOP;
END
$on_ddl$;

CREATE OR REPLACE FUNCTION tenantsdb.on_drop() RETURNS pg_catalog.event_trigger
LANGUAGE plpgsql SECURITY DEFINER AS $on_drop$
DECLARE
    context pg_catalog.text;
    object pg_catalog.record;
    firing pg_catalog.int8;
BEGIN
    GET DIAGNOSTICS context = PG_CONTEXT;
    FOR object IN
        SELECT o.object_type, o.object_identity
        FROM pg_catalog.pg_event_trigger_dropped_objects() o
        -- What went with it is not what the statement named.
        WHERE o.original AND NOT o.is_temporary
          -- What belongs to a table is named {schema, table, name}; nobody can make a schema of
          -- this name.
          AND (o.address_names IS NULL
               OR pg_catalog.cardinality(o.address_names) OPERATOR(pg_catalog.<) 3
               OR o.address_names[1] OPERATOR(pg_catalog.<>) 'pg_temp'::pg_catalog.text)
    LOOP
        IF firing IS NULL THEN
            firing := pg_catalog.nextval('tenantsdb.firing'::pg_catalog.regclass);
        END IF;
        PERFORM tenantsdb.record(firing, true, tg_tag, object.object_type,
            object.object_identity, context);
    END LOOP;
END
$on_drop$;

-- Event triggers fire without it. on_ddl and on_drop cannot be called at all; record could.
REVOKE ALL ON FUNCTION tenantsdb.record(int8, bool, text, text, text, text),
    tenantsdb.on_ddl(), tenantsdb.on_drop() FROM PUBLIC;

DO $triggers$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'tenantsdb_drop') THEN
        CREATE EVENT TRIGGER tenantsdb_drop ON sql_drop EXECUTE FUNCTION tenantsdb.on_drop();
    END IF;
    IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'tenantsdb_ddl') THEN
        CREATE EVENT TRIGGER tenantsdb_ddl ON ddl_command_end EXECUTE FUNCTION tenantsdb.on_ddl();
    END IF;
END
$triggers$;
