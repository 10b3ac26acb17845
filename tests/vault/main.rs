//! The vault on every engine, through its port: `scenarios` run on each; beside
//! them stands what only one engine does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its preparations too")]

#[cfg(test)]
mod lease;
#[cfg(test)]
mod mariadb;
#[cfg(test)]
mod places;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
#[path = "../servers/mod.rs"]
mod servers;
#[cfg(test)]
mod sqlite;

#[cfg(test)]
macro_rules! on_every_engine {
    ($($scenarios:ident { $($scenario:ident),* $(,)? })*) => {
        mod on_sqlite {
            $($(
                #[tokio::test]
                async fn $scenario() {
                    super::$scenarios::$scenario(&super::places::Sqlite::new()).await;
                }
            )*)*
        }
        mod on_postgres {
            $($(
                #[tokio::test]
                async fn $scenario() {
                    super::$scenarios::$scenario(&super::places::Postgres::new()).await;
                }
            )*)*
        }
        mod on_mariadb {
            $($(
                #[tokio::test]
                async fn $scenario() {
                    super::$scenarios::$scenario(&super::places::MariaDb::new()).await;
                }
            )*)*
        }
    };
}

#[cfg(test)]
on_every_engine! {
    scenarios {
        what_was_stored_is_read_back_even_after_reopening,
        buckets_are_summed_up_in_order,
        a_store_that_fails_in_the_middle_stores_nothing,
        a_store_that_is_dropped_half_way_stores_nothing,
        erasing_takes_the_buckets_of_the_order_and_no_others,
        replacing_is_all_or_nothing_gives_a_new_number_and_keeps_the_time_of_sealing,
        dropping_a_batch_leaves_the_others,
        the_newest_head_is_remembered_and_a_fork_is_noticed,
        a_vault_opens_only_for_its_own_origin_and_deployment,
        a_vault_is_never_made_over_another,
        a_reader_sees_what_was_committed_and_cannot_write,
        long_segments_come_back_as_they_were,
    }
    lease {
        a_second_runner_is_told_who_has_the_lease_until_it_is_given_back,
        a_lease_that_is_over_is_taken_over_and_who_wakes_up_can_do_nothing,
        who_finds_another_number_in_the_lease_undoes_its_transaction,
        who_has_the_same_seat_follows_at_once,
        a_lease_is_renewed_before_it_is_over_and_after_if_nobody_came,
        a_vault_that_never_had_a_lease_gets_one,
    }
}
