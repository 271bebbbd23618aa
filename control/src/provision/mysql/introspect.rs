//! Tables as people look at them.

use std::collections::BTreeMap;

use super::connect::{Fault, MySql, Session, text};
use super::marker;
use super::quote::literal;
use super::schema::{Kind, Schema};
use crate::blueprint::TableText;
use crate::provision::{Column, Definition, Error, Table};

impl MySql {
    pub(in crate::provision) async fn tables(&self, database: &str) -> Result<Vec<Table>, Error> {
        let (schema, mut columns) = self
            .admin_once(async |admin| {
                let schema = Schema::read(admin, database, None).await?;
                Ok((schema, columns(admin, database).await?))
            })
            .await?;
        let tables = schema
            .objects
            .into_iter()
            .filter(|object| object.kind == Kind::Table && object.name != marker::TABLE);
        Ok(tables
            .map(|object| {
                let shown = TableText::parse(&object.text);
                let parts = |constraints: bool| {
                    let parts = shown.parts.iter();
                    let wanted = parts.filter(|part| part.is_constraint() == constraints);
                    wanted
                        .map(|part| Definition {
                            name: part.name.clone(),
                            definition: part.text.clone(),
                        })
                        .collect()
                };
                Table {
                    schema: database.to_owned(),
                    columns: columns.remove(&object.name).unwrap_or_default(),
                    indexes: parts(false),
                    constraints: parts(true),
                    name: object.name,
                }
            })
            .collect())
    }
}

/// Columns of all tables, in their order.
async fn columns(
    admin: &mut Session,
    database: &str,
) -> Result<BTreeMap<String, Vec<Column>>, Fault> {
    let sql = format!(
        "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, \
         GENERATION_EXPRESSION FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} \
         ORDER BY TABLE_NAME, ORDINAL_POSITION",
        literal(database)
    );
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for row in admin.rows(&sql).await? {
        let (extra, expression) = (text(&row, 5), text(&row, 6));
        let default = match expression.as_str() {
            "" => {
                let default = row.get(4).cloned().flatten();
                // MariaDB writes the default of a column that takes NULL as a word.
                let default = default.filter(|default| default != "NULL");
                match extra.contains("auto_increment") {
                    true => Some("AUTO_INCREMENT".to_owned()),
                    false => default,
                }
            }
            expression => {
                let kind = match extra.contains("STORED") {
                    true => "STORED",
                    false => "VIRTUAL",
                };
                Some(format!("GENERATED ALWAYS AS ({expression}) {kind}"))
            }
        };
        tables.entry(text(&row, 0)).or_default().push(Column {
            name: text(&row, 1),
            type_name: text(&row, 2),
            nullable: text(&row, 3) == "YES",
            default,
        });
    }
    Ok(tables)
}
