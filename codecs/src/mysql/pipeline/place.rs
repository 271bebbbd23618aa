//! Where in a reply the server is.

/// Where in a reply the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before its first message, or the first of a further result.
    First,
    /// The client sends a file.
    File,
    /// Before this many column definitions of a result set.
    Columns(u16),
    /// Before the EOF behind them.
    ColumnsEnd,
    /// Before a row, or the end of rows.
    Rows,
    /// Before this many definitions of a prepared statement's parameters; columns come behind them.
    PrepareParams { left: u16, columns: u16 },
    /// Before the EOF behind them.
    PrepareParamsEnd { columns: u16 },
    /// Before this many definitions of a prepared statement's columns.
    PrepareColumns(u16),
    /// Before the EOF behind them.
    PrepareColumnsEnd,
}
