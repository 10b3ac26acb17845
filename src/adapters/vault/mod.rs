//! The separate store on each engine. Nothing here reads a sealed body, decides
//! what may go, or holds a key.

mod contents;
mod lease;
pub mod mysql;
pub mod postgres;
pub mod sqlite;

pub use lease::Claim;
pub use mysql::MySqlVault;
pub use postgres::PostgresVault;
pub use sqlite::SqliteVault;
