//! Tables as people look at them, whatever the engine.

use serde::{Deserialize, Serialize};

/// A table, as people look at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Table {
    /// Schema.
    pub schema: String,
    /// Name, without schema.
    pub name: String,
    /// In their order.
    pub columns: Vec<Column>,
    /// By name.
    pub indexes: Vec<Definition>,
    /// By name.
    pub constraints: Vec<Definition>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Type as the server writes it: `character varying(40)`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it takes NULL.
    pub nullable: bool,
    /// Default, or what generates it.
    pub default: Option<String>,
}

/// A named part of a table and its text as the server writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Definition {
    /// Name.
    pub name: String,
    /// The server's own definition.
    pub definition: String,
}
