"""The tests of campaigns whose queries, locks or savepoints depend on the dialect."""

import pytest
from test_campaign_results import (
    test_a_newer_version_of_the_data_set_is_trained_on_first,
    test_a_training_that_was_deleted_holds_up_nothing,
    test_the_best_is_promoted_when_it_beats_the_old_one_by_the_margin,
)
from test_campaigns import (
    supernet_id,
    test_a_campaign_is_deleted_with_its_history_when_it_is_idle,
    test_a_pause_skips_times_and_lets_what_runs_go_on,
    test_a_template_that_fails_half_way_leaves_nothing_submitted,
    test_each_time_fires_once_however_often_it_is_looked_at,
    test_names_are_unique_and_ids_serve_as_well,
    test_nothing_is_cancelled_for_one_that_the_budget_does_not_allow,
    test_nothing_is_fired_beyond_the_budget,
    test_overlap_cancel_old_cancels_its_jobs,
    test_projects_have_campaigns_of_their_own_and_one_duty_does_them_all,
    test_the_next_search_begins_with_the_front_of_the_last_one_in_its_place,
)

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("settings", ["postgresql"], indirect=True),
]

__all__ = [
    "supernet_id",
    "test_a_campaign_is_deleted_with_its_history_when_it_is_idle",
    "test_a_newer_version_of_the_data_set_is_trained_on_first",
    "test_a_pause_skips_times_and_lets_what_runs_go_on",
    "test_a_template_that_fails_half_way_leaves_nothing_submitted",
    "test_a_training_that_was_deleted_holds_up_nothing",
    "test_each_time_fires_once_however_often_it_is_looked_at",
    "test_names_are_unique_and_ids_serve_as_well",
    "test_nothing_is_cancelled_for_one_that_the_budget_does_not_allow",
    "test_nothing_is_fired_beyond_the_budget",
    "test_overlap_cancel_old_cancels_its_jobs",
    "test_projects_have_campaigns_of_their_own_and_one_duty_does_them_all",
    "test_the_best_is_promoted_when_it_beats_the_old_one_by_the_margin",
    "test_the_next_search_begins_with_the_front_of_the_last_one_in_its_place",
]
