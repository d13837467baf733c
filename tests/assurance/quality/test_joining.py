"""Samples of an alert are one firing, or several, by stated rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.assurance.quality.joining import Seen, Silence, join, rules_of, silences_of

START = datetime(2026, 11, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def seen(*moments: float, since: float | None = None) -> list[Seen]:
    return [Seen(at(moment), None if since is None else at(since)) for moment in moments]


def bounds(runs) -> list[tuple[float, float]]:
    return [((run.start - START).total_seconds(), (run.end - START).total_seconds()) for run in runs]


class TestActiveAt:
    def test_the_same_activation_is_one_firing_across_any_gap(self):
        samples = seen(100, 130, since=0) + seen(40_000, 40_030, since=0)
        assert bounds(join(samples)) == [(100, 40_030)]

    def test_another_activation_is_another_firing_however_close(self):
        samples = seen(100, 130, since=100) + seen(190, 220, since=190)
        assert bounds(join(samples)) == [(100, 130), (190, 220)]

    def test_an_alert_that_is_on_and_off_at_every_evaluation_is_never_one_firing(self):
        samples = [one for moment in (0, 60, 120, 180) for one in seen(moment, since=moment)]
        assert len(join(samples)) == 4

    def test_between_two_evaluations_in_a_row_nothing_can_have_ended(self):
        samples = seen(0, 30, 60, since=0) + seen(90, 120, since=90)
        assert bounds(join(samples)) == [(0, 120)]

    def test_the_firing_has_the_first_activation(self):
        (run,) = join(seen(60, 90, since=7))
        assert run.active_at == at(7)


class TestRestarts:
    SILENCE = (Silence(at(130), at(700), timedelta(seconds=30)),)

    def test_an_alert_that_forgot_its_state_in_a_restart_goes_on(self):
        samples = seen(100, 130, since=100) + seen(720, 750, since=720)
        assert bounds(join(samples, silences=self.SILENCE)) == [(100, 750)]

    def test_an_alert_that_is_pending_first_after_a_restart_goes_on(self):
        samples = seen(100, 130, since=0) + seen(1000, 1030, since=705)
        assert bounds(join(samples, silences=self.SILENCE)) == [(100, 1030)]

    @pytest.mark.parametrize(
        ("before", "after", "since"),
        [((-100, -70), 720, 720), ((100, 130), 1000, 1000)],
        ids=["over before it", "begun after it"],
    )
    def test_a_restart_joins_nothing_that_it_did_not_interrupt(self, before, after, since):
        samples = seen(*before, since=before[0]) + seen(after, after + 30, since=since)
        assert len(join(samples, silences=self.SILENCE)) == 2

    def test_what_came_and_went_right_before_a_restart_was_another_firing(self):
        samples = seen(40, 41, 42, since=40) + seen(60, 61, since=60) + seen(90, 91, since=90)
        restart = Silence(at(61), at(89), timedelta(seconds=1))
        assert bounds(join(samples, silences=[restart])) == [(40, 42), (60, 91)]

    def test_of_a_firing_that_was_seen_once_nothing_tells_how_often_it_is_evaluated(self):
        samples = seen(30, since=30) + seen(800, since=800)
        assert bounds(join(samples, silences=self.SILENCE)) == [(30, 800)]

    def test_a_gap_of_the_heartbeat_is_a_silence_and_a_long_one_is_not(self):
        beats = [at(n) for n in (0, 30, 60, 600, 630, 630 + 3601, 4300)]
        assert [one[:2] for one in silences_of(beats)] == [(at(60), at(600)), (at(630 + 3601), at(4300))]

    def test_without_a_heartbeat_there_is_no_silence(self):
        assert silences_of([]) == []
        assert silences_of([at(0)]) == []


class TestUnknownActivation:
    def test_gaps_of_five_minutes_are_joined_and_longer_ones_are_not(self):
        assert bounds(join(seen(0, 300, 601))) == [(0, 300), (601, 601)]

    def test_how_long_is_a_rule_that_is_told(self):
        assert bounds(join(seen(0, 300, 601), joined_gap=timedelta(minutes=6))) == [(0, 601)]
        assert any("6 min apart" in rule for rule in rules_of(timedelta(minutes=6)))


SAMPLES = st.lists(
    st.tuples(st.integers(0, 5000), st.one_of(st.none(), st.integers(0, 5))), unique_by=lambda one: one[0]
).map(lambda pairs: [Seen(at(moment), None if since is None else at(since)) for moment, since in pairs])


class TestProperties:
    @given(SAMPLES)
    def test_firings_are_apart_in_order_and_hold_every_sample(self, samples):
        runs = join(samples)
        assert all(run.start <= run.end for run in runs)
        assert all(before.end < after.start for before, after in pairwise(runs))
        assert all(sum(run.start <= one.at <= run.end for run in runs) == 1 for one in samples)
        edges = {one.at for one in samples}
        assert all(run.start in edges and run.end in edges for run in runs)

    @given(SAMPLES, st.randoms())
    def test_the_order_in_which_samples_were_read_does_not_matter(self, samples, random):
        shuffled = list(samples)
        random.shuffle(shuffled)
        assert join(shuffled) == join(samples)

    @given(SAMPLES, st.integers(0, 600), st.integers(0, 600))
    def test_a_longer_joined_gap_never_gives_more_firings(self, samples, one, other):
        short, long = sorted((one, other))
        fewer = join(samples, joined_gap=timedelta(seconds=long))
        assert len(fewer) <= len(join(samples, joined_gap=timedelta(seconds=short)))

    @given(st.sets(st.integers(0, 5000), min_size=2), st.data())
    def test_whatever_is_lost_inside_an_activation_moves_nothing(self, moments, data):
        samples = seen(*moments, since=0)
        inner = sorted(moments)[1:-1]
        lost = data.draw(st.sets(st.sampled_from(inner)) if inner else st.just(set()))
        kept = [one for one in samples if (one.at - START).total_seconds() not in lost]
        assert join(kept) == join(samples)
