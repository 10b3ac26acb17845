//! One suite for every engine as a source: the same scenarios, the same counts,
//! the same bytes. What only one engine does stands in its own tests.
//!
//! An engine is a `Database` and a line at the end of this file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its preparations too")]
#![allow(async_fn_in_trait, reason = "the suite runs each scenario on one task")]

#[cfg(test)]
mod edges;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod mariadb;
#[cfg(test)]
#[path = "../servers/mod.rs"]
mod servers;
#[cfg(test)]
mod waiting;

/// Runs every scenario on an engine.
#[cfg(test)]
macro_rules! engine {
    ($name:ident, $database:ty) => {
        mod $name {
            scenarios! { $database;
                edges::{
                    a_reference_goes_with_the_last_row_that_points_at_it,
                    what_hangs_below_a_reference_goes_with_it,
                    a_link_is_cut_sealed_and_restored,
                    a_link_is_not_restored_over_another,
                    rows_of_one_table_lose_their_link_to_those_that_move,
                    a_row_under_two_rules_moves_by_the_longer_one,
                    uncovered_keys_are_refused_with_the_edge_to_add,
                    edges_that_cannot_be_carried_out_are_refused,
                    rows_that_are_records_of_another_rule_too_are_reported,
                },
                waiting::{
                    a_root_waits_also_for_rows_below_an_own_child,
                    at_a_withdrawal_orders_move_first_and_the_member_after_them,
                },
            }
        }
    };
}

#[cfg(test)]
macro_rules! scenarios {
    ($database:ty; $($module:ident::{$($scenario:ident),* $(,)?}),* $(,)?) => {
        $($(
            #[tokio::test]
            async fn $scenario() {
                crate::$module::$scenario::<$database>().await;
            }
        )*)*
    };
}

#[cfg(test)]
engine!(on_sqlite, crate::engine::Sqlite);
#[cfg(test)]
engine!(on_mariadb, crate::mariadb::MariaDb);
