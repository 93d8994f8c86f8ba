//! What every store must keep, run against each kind of store, and what only the SQLite file promises.

mod begin;
mod copies;
mod create;
mod ends;
mod file;
mod followed;
#[cfg(feature = "faults")]
mod grown;
mod lists;
mod lock;
mod outgoing;
#[cfg(feature = "faults")]
mod plans;
mod random;
mod retention;
mod rig;
mod settle;

/// One named test for each pair of a kind of store and a case.
macro_rules! store_suite {
    (@cases $rig:ty, [$($file:ident: $($case:ident),+;)+]) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let kind = <$rig as super::rig::Kind>::new();
                super::$file::$case(&kind).await;
            }
        )+)+
    };
    (stores: [$($kind:ident: $rig:ty),+], cases: $cases:tt) => {
        $(mod $kind { store_suite!(@cases $rig, $cases); })+
    };
}

store_suite! {
    stores: [sqlite: crate::store::rig::Sqlite],
    cases: [
        begin:
            an_intent_is_kept_with_all_it_needs,
            the_same_key_starts_once,
            a_key_of_something_that_never_happened_may_be_used_again,
            keys_of_different_clients_never_meet,
            equal_keys_at_the_same_time_start_one,
            different_keys_at_the_same_time_start_one_per_order,
            an_open_operation_blocks_its_order,
            a_refused_begin_leaves_nothing,
            a_change_in_between_is_noticed,
            a_reference_in_use_is_refused,
            a_reference_on_its_way_is_refused,
            something_already_done_ends_at_once;
        settle:
            a_cancel_that_succeeds,
            a_refusal_says_why_and_frees_the_order,
            final_states_stay,
            the_order_after_an_end_may_come_later,
            only_allowed_steps_are_taken,
            a_read_without_evidence_only_plans_the_next,
            an_update_without_a_new_status_is_told,
            an_update_nobody_read_again_is_told_without_amounts,
            a_new_status_after_a_refusal_is_nobodys_work,
            what_nobody_knows_cannot_be_settled,
            after_a_crash_nothing_stays_open,
            what_was_planned_while_the_clock_was_ahead_is_due_after_a_start,
            due_checks_come_oldest_first,
            what_is_settled_survives_reopening;
        create:
            a_creation_has_no_order_until_it_is_made,
            an_order_that_is_found_paid_is_told_as_paid,
            a_creation_claims_its_reference,
            after_a_crash_only_what_is_harmless_to_repeat_gives_its_reference_back,
            a_creation_proved_by_its_payment_keeps_its_reference,
            a_creation_refused_leaves_nothing,
            movements_together_never_exceed_the_limit,
            what_is_remembered_of_an_order,
            refunds_are_told_at_their_end,
            a_page_is_found_by_its_token;
        copies:
            older_copies_are_ignored,
            copies_are_ordered_by_their_asking_and_not_by_the_clock,
            what_was_read_across_a_change_must_be_read_again,
            a_change_of_amounts_alone_is_told,
            paid_is_told_once,
            the_first_copy_is_no_change,
            a_begin_tells_of_a_status_it_finds,
            sequences_have_no_gap_under_load,
            a_read_sees_what_was_committed_before_it,
            it_says_that_it_can_write;
        ends:
            what_the_provider_did_all_the_same_is_a_contradiction,
            a_contradiction_stands_beside_what_is_under_way,
            what_the_provider_undoes_counts_no_more,
            what_came_to_nothing_is_remembered_by_the_providers_id,
            a_contradicted_creation_is_tied_only_to_an_order_that_is_named,
            news_touch_only_what_has_ended_on_that_order;
        followed:
            an_authorization_is_followed_to_its_end,
            each_wait_has_its_schedule,
            a_payable_order_is_read_until_after_its_page,
            what_is_over_is_read_no_more,
            payable_orders_come_first,
            a_failed_read_is_tried_again_less_and_less_often,
            payable_orders_leave_a_place_for_the_others,
            a_change_without_a_copy_makes_its_order_due;
        lists:
            orders_are_listed_in_order_whatever_the_filter,
            operations_are_listed_in_order_whatever_the_filter,
            pages_hold_while_orders_come;
    ]
}
