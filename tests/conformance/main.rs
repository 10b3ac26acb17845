//! One suite for every engine as a source: the same scenarios, the same counts,
//! the same bytes. What only one engine does stands in its own tests.
//!
//! An engine is a `Database` and a line at the end of this file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its preparations too")]
#![allow(async_fn_in_trait, reason = "the suite runs each scenario on one task")]

#[cfg(test)]
mod backlog;
#[cfg(test)]
mod chance;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod edges;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod holds;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod locked;
#[cfg(test)]
mod looking;
#[cfg(test)]
mod mariadb;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod schemas;
#[cfg(test)]
#[path = "../servers/mod.rs"]
mod servers;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod transactions;
#[cfg(test)]
mod traps;
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
                    what_another_rule_keeps_longer_leaves_ahead_as_a_record_of_its_own,
                    what_several_records_share_comes_back_with_all_of_them,
                },
                backlog::{
                    what_a_day_brings_is_taken_by_date_and_a_backlog_as_it_lies,
                    a_backlog_moves_as_a_whole_whatever_is_undone_or_comes_behind,
                },
                chance::{
                    what_is_counted_moves_and_comes_back_whatever_points_at_what,
                },
                looking::{a_record_is_looked_at_by_its_key},
                holds::{
                    what_is_frozen_stays_and_is_counted,
                    what_is_frozen_keeps_the_record_that_it_belongs_to,
                    what_a_collation_calls_the_same_is_frozen_as_well,
                    a_server_tells_the_time,
                },
                waiting::{
                    a_root_waits_also_for_rows_below_an_own_child,
                    at_a_withdrawal_orders_move_first_and_the_member_after_them,
                },
                keys::{
                    keys_and_links_of_several_columns,
                    textual_keys_whatever_they_say,
                    children_of_a_unique_key_that_is_not_the_primary_one,
                    keys_that_the_engine_takes_for_the_same,
                    names_that_need_quotation_marks,
                    a_key_that_does_not_tell_rows_apart_is_refused,
                    twins_are_told_apart_or_their_table_is_refused,
                },
                traps::{
                    instants_in_columns_of_their_own_type,
                    dates_of_eight_characters,
                    seconds_and_milliseconds_since_1970,
                    texts_with_and_without_a_zone,
                    a_date_and_a_time_in_two_columns,
                    an_event_of_a_parent_that_is_not_there_is_an_orphan,
                    a_status_that_contradicts_the_date_is_the_operators_to_say,
                    links_that_nobody_declared,
                    a_row_with_two_parents_is_archived_and_counted_once,
                    views_are_refused_and_what_is_missing_is_named,
                    text_of_every_kind_comes_back_as_it_was,
                    a_due_row_that_a_kept_row_uses_waits,
                },
                schemas::{
                    dates_that_stand_for_none_are_never_due,
                    triggers_are_named_and_run,
                    a_choice_narrows_and_comes_back_as_the_same_choice,
                    a_row_that_is_marked_as_deleted_is_due_like_any_other,
                    a_second_copy_leaves_with_the_record_once_it_is_declared,
                    texts_that_are_taken_for_something_else_come_back,
                    times_of_fourteen_digits,
                },
                transactions::{
                    a_transaction_of_several_batches_moves_all_of_them_or_none,
                    what_batches_of_one_transaction_share_goes_with_the_last_of_them,
                },
                changes::{
                    rows_that_change_after_the_plan_are_taken_as_they_are_then,
                    a_schema_that_changes_after_the_plan_stops_its_dataset_only,
                    a_row_that_the_application_has_locked_stays_and_moves_later,
                    ten_thousand_operations_against_the_rows_that_move_lose_nothing,
                    rows_added_below_records_that_move_are_lost_nowhere,
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
#[cfg(test)]
engine!(on_postgres, crate::postgres::Postgres);

/// What a server has and a file has not: locks of rows, a zone of each session.
#[cfg(test)]
macro_rules! server {
    ($name:ident, $database:ty) => {
        mod $name {
            scenarios! { $database;
                locked::{
                    rows_that_are_locked_are_left_counted_and_taken_by_the_next_cycle,
                    a_record_of_which_one_row_is_locked_is_left_whole,
                    what_changes_is_not_what_is_locked,
                    a_row_counts_once_whatever_it_moves_for,
                    who_waits_for_a_row_that_was_left_is_left_too,
                },
                backlog::{a_backlog_is_taken_around_what_is_locked, so_does_one_that_a_condition_narrows},
                schemas::{an_instant_is_one_in_whatever_zone_it_was_written},
            }
        }
    };
}

#[cfg(test)]
server!(server_of_mariadb, crate::mariadb::MariaDb);
#[cfg(test)]
server!(server_of_postgres, crate::postgres::Postgres);

#[cfg(test)]
mod changes_of_mariadb {
    #[tokio::test]
    async fn a_key_that_comes_between_two_batches_takes_no_row_along() {
        crate::changes::a_key_that_comes_between_two_batches_takes_no_row_along().await;
    }
}

#[cfg(test)]
mod changes_of_postgres {
    #[tokio::test]
    async fn a_table_that_inherits_between_two_batches_loses_no_row() {
        crate::changes::a_table_that_inherits_between_two_batches_loses_no_row().await;
    }
}

#[cfg(test)]
mod schemas_of_postgres {
    #[tokio::test]
    async fn tables_of_one_name_in_two_schemas_are_told_apart() {
        crate::schemas::tables_of_one_name_in_two_schemas_are_told_apart().await;
    }

    #[tokio::test]
    async fn keys_that_only_partitions_have_leave_no_orphan() {
        crate::schemas::keys_that_only_partitions_have_leave_no_orphan().await;
    }
}

#[cfg(test)]
mod file_of_sqlite {
    scenarios! { crate::engine::Sqlite;
        locked::{a_database_that_is_locked_as_a_whole_is_said_to_be},
        schemas::{a_number_among_texts_is_reported_and_never_due},
    }
}

/// The weaker mode: what rests on foreign keys, on locks of rows, or on a deletion
/// that can be undone is not there.
#[cfg(test)]
mod on_myisam {
    scenarios! { crate::mariadb::MyIsam;
        looking::{a_record_is_looked_at_by_its_key},
        holds::{
            what_is_frozen_stays_and_is_counted,
            what_is_frozen_keeps_the_record_that_it_belongs_to,
            what_a_collation_calls_the_same_is_frozen_as_well,
        },
        waiting::{
            a_root_waits_also_for_rows_below_an_own_child,
            at_a_withdrawal_orders_move_first_and_the_member_after_them,
        },
        keys::{
            keys_and_links_of_several_columns,
            textual_keys_whatever_they_say,
            children_of_a_unique_key_that_is_not_the_primary_one,
            a_key_that_does_not_tell_rows_apart_is_refused,
            twins_are_told_apart_or_their_table_is_refused,
        },
        traps::{
            instants_in_columns_of_their_own_type,
            dates_of_eight_characters,
            seconds_and_milliseconds_since_1970,
            texts_with_and_without_a_zone,
            a_date_and_a_time_in_two_columns,
            an_event_of_a_parent_that_is_not_there_is_an_orphan,
            a_status_that_contradicts_the_date_is_the_operators_to_say,
            links_that_nobody_declared,
            a_row_with_two_parents_is_archived_and_counted_once,
            views_are_refused_and_what_is_missing_is_named,
            text_of_every_kind_comes_back_as_it_was,
            a_due_row_that_a_kept_row_uses_waits,
        },
        schemas::{
            dates_that_stand_for_none_are_never_due,
            triggers_are_named_and_run,
            a_choice_narrows_and_comes_back_as_the_same_choice,
            a_row_that_is_marked_as_deleted_is_due_like_any_other,
            a_second_copy_leaves_with_the_record_once_it_is_declared,
            texts_that_are_taken_for_something_else_come_back,
        },
        changes::{
            rows_that_change_after_the_plan_are_taken_as_they_are_then,
            a_schema_that_changes_after_the_plan_stops_its_dataset_only,
            ten_thousand_operations_against_the_rows_that_move_lose_nothing,
            rows_added_below_records_that_move_are_lost_nowhere,
        },
    }
}
