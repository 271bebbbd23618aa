//! Everything in a schema that a dump without owners and privileges shows, object by object.
//!
//! Each query of [`PARTS`] gives rows `(object, definition, relation)`: what people call the
//! object, what is compared, and the table it belongs to, so that history tables can be left out
//! with all that is theirs. `search_path` is `pg_catalog` alone, so the server writes all names in
//! full.

use std::collections::BTreeMap;

use super::connect::{Admin, Postgres};
use super::template::digest;
use crate::blueprint::Excluded;
use crate::provision::{Error, Fingerprint};

/// The schema of one database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Schema {
    objects: BTreeMap<String, Vec<String>>,
}

/// Names listed when two schemas differ; the rest is counted.
const DIFFERENCES_MAX: usize = 20;

impl Postgres {
    pub(in crate::provision) async fn fingerprint(
        &self,
        database: &str,
    ) -> Result<Fingerprint, Error> {
        Ok(self.schema(database).await?.fingerprint())
    }

    pub(super) async fn schema(&self, database: &str) -> Result<Schema, Error> {
        let mut admin = self.admin_in(database).await?;
        admin
            .run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        let schema = read(&mut admin, &Excluded::default()).await?;
        admin.run("COMMIT").await?;
        admin.close().await;
        Ok(schema)
    }
}

// === impl Schema ===

impl Schema {
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut text = String::new();
        for (object, definitions) in &self.objects {
            for definition in definitions {
                text.push_str(object);
                text.push('\u{1}');
                text.push_str(definition);
                text.push('\u{2}');
            }
        }
        Fingerprint(digest(&text))
    }

    /// Names of the objects that are not the same in both, at most [`DIFFERENCES_MAX`].
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let here = self.objects.iter();
        let mut names: Vec<String> = here
            .filter(|(object, definitions)| other.objects.get(*object) != Some(*definitions))
            .map(|(object, _)| object.clone())
            .collect();
        let there = other.objects.keys();
        names.extend(
            there
                .filter(|object| !self.objects.contains_key(*object))
                .cloned(),
        );
        names.sort_unstable();
        if names.len() > DIFFERENCES_MAX {
            let more = names.len() - DIFFERENCES_MAX;
            names.truncate(DIFFERENCES_MAX);
            names.push(format!("and {more} more"));
        }
        names
    }

    fn add(&mut self, object: String, definition: String) {
        let definitions = self.objects.entry(object).or_default();
        let place = definitions
            .binary_search(&definition)
            .unwrap_or_else(|place| place);
        definitions.insert(place, definition);
    }
}

/// `(object, definition, schema of the table, name of the table)`.
type PartRow = (String, String, Option<String>, Option<String>);

async fn read(admin: &mut Admin, excluded: &Excluded) -> Result<Schema, Error> {
    let mut schema = Schema::default();
    for part in PARTS {
        let sql = format!("{PRELUDE} {part}");
        for (object, definition, relation_schema, relation) in
            admin.rows::<PartRow>(&sql, &[]).await?
        {
            let history = match (&relation_schema, &relation) {
                (Some(relation_schema), Some(relation)) => {
                    excluded.table(relation_schema, relation)
                }
                _ => false,
            };
            if !history {
                schema.add(object, definition);
            }
        }
    }
    Ok(schema)
}

/// `ns`: schemas of users. `ext`: what belongs to an extension, which stands for it.
/// `rel`: relations by oid, a sequence or an index under the table that it belongs to.
const PRELUDE: &str = "
    WITH ns AS (
        SELECT oid, nspname::text AS name FROM pg_namespace
        WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'tenantsdb')
          AND NOT starts_with(nspname, 'pg_toast') AND NOT starts_with(nspname, 'pg_temp')
    ), ext AS (
        SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
    ), rel AS (
        SELECT c.oid, c.relkind, ns.name AS schema, c.relname::text AS name,
            format('%I.%I', ns.name, c.relname) AS full_name,
            coalesce(o.nspname::text, ns.name) AS own_schema,
            coalesce(t.relname::text, c.relname::text) AS own_name
        FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
        LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
            AND c.relkind = 'S' AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
        LEFT JOIN pg_class t ON t.oid = d.refobjid
        LEFT JOIN pg_namespace o ON o.oid = t.relnamespace
        WHERE NOT EXISTS (
            SELECT FROM ext WHERE classid = 'pg_class'::regclass AND objid = c.oid)
    )";

const PARTS: &[&str] = &[
    "SELECT 'schema ' || name, '', NULL, NULL FROM ns
     WHERE NOT EXISTS (
        SELECT FROM ext WHERE classid = 'pg_namespace'::regclass AND objid = ns.oid)",
    "SELECT 'extension ' || extname, n.nspname::text, NULL, NULL
     FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname <> 'plpgsql'",
    // Relations as such.
    "SELECT 'relation ' || rel.full_name,
        concat_ws('|', c.relkind, c.relpersistence, am.amname, c.reloptions::text,
            tc.reloptions::text, c.relrowsecurity, c.relforcerowsecurity, c.relreplident,
            nullif(c.reloftype, 0)::regtype, pg_get_partkeydef(c.oid),
            pg_get_expr(c.relpartbound, c.oid),
            (SELECT string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno)
             FROM pg_inherits WHERE inhrelid = c.oid),
            (SELECT s.srvname || ':' || ft.ftoptions::text FROM pg_foreign_table ft
             JOIN pg_foreign_server s ON s.oid = ft.ftserver WHERE ft.ftrelid = c.oid)),
        rel.own_schema, rel.own_name
     FROM rel JOIN pg_class c ON c.oid = rel.oid
     LEFT JOIN pg_am am ON am.oid = c.relam LEFT JOIN pg_class tc ON tc.oid = c.reltoastrelid
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')",
    // Columns; their order counts and the gaps that dropped ones left do not.
    "SELECT 'column ' || rel.full_name || '.' || quote_ident(a.attname),
        concat_ws('|',
            (SELECT count(*) FROM pg_attribute b WHERE b.attrelid = a.attrelid AND b.attnum > 0
                AND b.attnum <= a.attnum AND NOT b.attisdropped),
            format_type(a.atttypid, a.atttypmod), nullif(a.attcollation, 0)::regcollation,
            a.attnotnull, a.attidentity, a.attgenerated, a.attstorage, a.attcompression,
            a.attstattarget, a.attoptions::text, a.attfdwoptions::text, a.attislocal, a.attinhcount,
            pg_get_expr(d.adbin, d.adrelid)),
        rel.own_schema, rel.own_name
     FROM rel JOIN pg_attribute a ON a.attrelid = rel.oid
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE rel.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND a.attnum > 0 AND NOT a.attisdropped",
    "SELECT 'view ' || full_name, pg_get_viewdef(oid), own_schema, own_name
     FROM rel WHERE relkind IN ('v', 'm')",
    "SELECT 'sequence ' || rel.full_name,
        concat_ws('|', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax,
            s.seqcache, s.seqcycle, rel.own_schema, rel.own_name), rel.own_schema, rel.own_name
     FROM rel JOIN pg_sequence s ON s.seqrelid = rel.oid",
    "SELECT 'index ' || format('%I.%I', rel.schema, i.relname),
        concat_ws('|', pg_get_indexdef(x.indexrelid), x.indisvalid, x.indisclustered,
            x.indisreplident, i.reloptions::text), rel.own_schema, rel.own_name
     FROM rel JOIN pg_index x ON x.indrelid = rel.oid JOIN pg_class i ON i.oid = x.indexrelid",
    "SELECT 'constraint ' || quote_ident(k.conname) || ' on ' ||
            coalesce(rel.full_name, format_type(k.contypid, NULL)),
        concat_ws('|', pg_get_constraintdef(k.oid), k.convalidated, k.conislocal, k.coninhcount),
        rel.own_schema, rel.own_name
     FROM pg_constraint k JOIN ns ON ns.oid = k.connamespace
     LEFT JOIN rel ON rel.oid = k.conrelid
     WHERE (rel.oid IS NOT NULL OR k.contypid <> 0) AND NOT EXISTS (
        SELECT FROM ext WHERE classid = 'pg_type'::regclass AND objid = k.contypid)",
    "SELECT 'trigger ' || quote_ident(t.tgname) || ' on ' || rel.full_name,
        concat_ws('|', pg_get_triggerdef(t.oid), t.tgenabled), rel.own_schema, rel.own_name
     FROM rel JOIN pg_trigger t ON t.tgrelid = rel.oid WHERE NOT t.tgisinternal",
    "SELECT 'rule ' || quote_ident(r.rulename) || ' on ' || rel.full_name,
        concat_ws('|', pg_get_ruledef(r.oid), r.ev_enabled), rel.own_schema, rel.own_name
     FROM rel JOIN pg_rewrite r ON r.ev_class = rel.oid WHERE r.rulename <> '_RETURN'",
    "SELECT 'policy ' || quote_ident(p.polname) || ' on ' || rel.full_name,
        concat_ws('|', p.polcmd, p.polpermissive, p.polroles::regrole[]::text,
            pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)),
        rel.own_schema, rel.own_name
     FROM rel JOIN pg_policy p ON p.polrelid = rel.oid",
    "SELECT 'statistics ' || format('%I.%I', ns.name, s.stxname),
        concat_ws('|', pg_get_statisticsobjdef(s.oid), s.stxstattarget),
        rel.own_schema, rel.own_name
     FROM pg_statistic_ext s JOIN ns ON ns.oid = s.stxnamespace
     LEFT JOIN rel ON rel.oid = s.stxrelid",
    // Types that are not a relation's row type or an array.
    "SELECT 'type ' || format_type(t.oid, NULL),
        concat_ws('|', t.typtype, nullif(t.typbasetype, 0)::regtype, t.typtypmod, t.typnotnull,
            t.typdefault, nullif(t.typcollation, 0)::regcollation,
            (SELECT string_agg(quote_literal(enumlabel), ',' ORDER BY enumsortorder)
             FROM pg_enum WHERE enumtypid = t.oid),
            (SELECT concat_ws(',', rngsubtype::regtype, nullif(rngcollation, 0)::regcollation,
                rngsubopc, rngcanonical, rngsubdiff) FROM pg_range WHERE rngtypid = t.oid)),
        NULL, NULL
     FROM pg_type t JOIN ns ON ns.oid = t.typnamespace
     WHERE t.typrelid = 0
       AND NOT (t.typelem <> 0 AND t.typsubscript = 'array_subscript_handler'::regproc)
       AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_type'::regclass AND objid = t.oid)",
    "SELECT 'function ' || p.oid::regprocedure,
        CASE WHEN p.prokind = 'a' THEN (SELECT concat_ws('|', pg_get_function_result(p.oid),
                aggkind, aggtransfn, aggfinalfn, aggcombinefn, aggtranstype::regtype, agginitval)
            FROM pg_aggregate WHERE aggfnoid = p.oid)
        ELSE pg_get_functiondef(p.oid) END, NULL, NULL
     FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace
     WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_proc'::regclass AND objid = p.oid)",
    // What few use: there or not there, and by what it works.
    "SELECT 'operator ' || o.oid::regoperator, concat_ws('|', o.oprcode, o.oprresult::regtype,
            nullif(o.oprcom, 0)::regoperator, nullif(o.oprnegate, 0)::regoperator, o.oprrest,
            o.oprjoin, o.oprcanhash, o.oprcanmerge), NULL::text, NULL::text
     FROM pg_operator o JOIN ns ON ns.oid = o.oprnamespace
     WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_operator'::regclass AND objid = o.oid)
     UNION ALL
     SELECT 'cast ' || format('(%s AS %s)', castsource::regtype, casttarget::regtype),
        concat_ws('|', nullif(castfunc, 0)::regprocedure, castcontext, castmethod), NULL, NULL
     FROM pg_cast c WHERE c.oid >= 16384
       AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_cast'::regclass AND objid = c.oid)
     UNION ALL
     SELECT 'collation ' || format('%I.%I', ns.name, c.collname),
        concat_ws('|', c.collprovider, c.collisdeterministic, c.collcollate, c.collctype,
            -- Renamed in PostgreSQL 17.
            to_jsonb(c) ->> 'colliculocale', to_jsonb(c) ->> 'colllocale'), NULL, NULL
     FROM pg_collation c JOIN ns ON ns.oid = c.collnamespace
     WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_collation'::regclass AND objid = c.oid)",
    "SELECT i.type || ' ' || i.identity, '', NULL, NULL
     FROM (
        SELECT 'pg_opclass'::regclass::oid AS class, oid FROM pg_opclass WHERE oid >= 16384
        UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily WHERE oid >= 16384
        UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion WHERE oid >= 16384
        UNION ALL SELECT 'pg_ts_config'::regclass, oid FROM pg_ts_config WHERE oid >= 16384
        UNION ALL SELECT 'pg_ts_dict'::regclass, oid FROM pg_ts_dict WHERE oid >= 16384
        UNION ALL SELECT 'pg_ts_parser'::regclass, oid FROM pg_ts_parser WHERE oid >= 16384
        UNION ALL SELECT 'pg_ts_template'::regclass, oid FROM pg_ts_template WHERE oid >= 16384
        UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
        UNION ALL SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server
        UNION ALL SELECT 'pg_publication'::regclass, oid FROM pg_publication
        UNION ALL SELECT 'pg_language'::regclass, oid FROM pg_language WHERE oid >= 16384
        UNION ALL SELECT 'pg_transform'::regclass, oid FROM pg_transform
     ) o CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, 0) i
     WHERE NOT EXISTS (SELECT FROM ext WHERE classid = o.class AND objid = o.oid)",
    "SELECT 'comment on ' || i.type || ' ' || i.identity, d.description,
        rel.own_schema, rel.own_name
     FROM pg_description d
     CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
     LEFT JOIN pg_constraint k ON d.classoid = 'pg_constraint'::regclass AND k.oid = d.objoid
     LEFT JOIN pg_trigger t ON d.classoid = 'pg_trigger'::regclass AND t.oid = d.objoid
     LEFT JOIN pg_index x ON d.classoid = 'pg_class'::regclass AND x.indexrelid = d.objoid
     LEFT JOIN rel ON rel.oid = coalesce(k.conrelid, t.tgrelid, x.indrelid,
        CASE WHEN d.classoid = 'pg_class'::regclass THEN d.objoid END)
     WHERE (d.objoid >= 16384 OR d.classoid = 'pg_namespace'::regclass)
       AND coalesce(i.schema, '') NOT IN ('pg_catalog', 'information_schema', 'tenantsdb')
       AND i.type <> 'event trigger'
       AND NOT EXISTS (SELECT FROM ext WHERE classid = d.classoid AND objid = d.objoid)",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(objects: &[(&str, &str)]) -> Schema {
        let mut schema = Schema::default();
        for (object, definition) in objects {
            schema.add((*object).to_owned(), (*definition).to_owned());
        }
        schema
    }

    #[test]
    fn order_of_reading_does_not_change_the_fingerprint() {
        let a = schema(&[("t", "1"), ("t", "2"), ("u", "3")]);
        let b = schema(&[("u", "3"), ("t", "2"), ("t", "1")]);
        assert_eq!(a.fingerprint(), b.fingerprint());
        assert!(a.differences(&b).is_empty());
    }

    #[test]
    fn what_differs_is_named_from_both_sides() {
        let a = schema(&[("t", "1"), ("only a", "x")]);
        let b = schema(&[("t", "2"), ("only b", "x")]);
        assert_ne!(a.fingerprint(), b.fingerprint());
        assert_eq!(a.differences(&b), ["only a", "only b", "t"]);
    }

    #[test]
    fn many_differences_are_counted() {
        let names: Vec<String> = (0..30).map(|n| format!("t{n}")).collect();
        let objects: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
        let differences = schema(&objects).differences(&Schema::default());
        assert_eq!(differences.len(), DIFFERENCES_MAX + 1);
        assert_eq!(differences.last().map(String::as_str), Some("and 10 more"));
    }
}
