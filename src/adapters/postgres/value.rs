//! Values of the text protocol as cells.

use sqlx::{Row as _, TypeInfo as _, ValueRef as _, postgres::PgRow};

use crate::domain::record::Cell;

/// All values of a row that was asked for without parameters, and so came as
/// text. What is counted is an integer; everything else is as it is written.
pub(super) fn cells(row: &PgRow) -> Result<Vec<Cell>, sqlx::Error> {
    (0..row.len())
        .map(|at| {
            let value = row.try_get_raw(at)?;
            if value.is_null() {
                return Ok(Cell::Null);
            }
            let text = value.as_str().map_err(sqlx::Error::Decode)?;
            match value.type_info().name() {
                "INT2" | "INT4" | "INT8" => {
                    text.parse().map(Cell::Integer).map_err(|error| sqlx::Error::Decode(Box::new(error)))
                }
                _ => Ok(Cell::Text(text.as_bytes().to_vec())),
            }
        })
        .collect()
}
