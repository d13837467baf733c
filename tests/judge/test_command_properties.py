"""What must hold for the verdicts of any file of cases."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from release_watch.catalog.policies import JudgePolicy
from release_watch.judge.cases import read
from release_watch.judge.command.judging import Judging, Row
from release_watch.judge.command.verdicts import judged_in_order
from release_watch.verdict import Verdict

LOOKS = tuple(timedelta(minutes=minutes) for minutes in (5, 12, 25))
CHANGE = 100_000


class Sample(NamedTuple):
    """A row of a file."""

    case: str
    metric: str
    role: str
    minute: int
    value: float

    def line(self, change: bool) -> str:
        """Return the row as it is written, a minute counted from the change."""
        told = f",{CHANGE}" if change else ""
        return f"{self.case},{self.metric},{self.role},{CHANGE + 60 * self.minute},{self.value!r}{told}"


@st.composite
def samples(draw: st.DrawFn) -> list[Sample]:
    """Return one-minute samples around a change, at random places moved, missing, doubled or odd."""
    made = []
    for case in draw(st.sets(st.sampled_from("xy"), min_size=1)):
        for metric in draw(st.sets(st.sampled_from(["errors", "latency"]), min_size=1)):
            random = Random(draw(st.integers(0, 2**32)))
            shift = draw(st.sampled_from([0.0, 0.0, 2.0, -5.0, 100.0]))
            begins = draw(st.sampled_from([0, 0, 0, 8]))
            for minute in range(-draw(st.integers(0, 60)), 30):
                role = "before" if minute < 0 else "after"
                if role == "after" and minute < begins:
                    continue
                value = random.gauss(10, 1) + (shift if role == "after" else 0)
                made += [Sample(case, metric, role, minute, value)] * random.choice([0, 1, 1, 1, 1, 1, 2])
                if random.random() < 0.05:
                    odd = random.choice([float("nan"), float("inf"), 0.0, value / 3])
                    made.append(Sample(case, metric, random.choice(["before", "control"]), minute, odd))
    return made


def verdicts(rows: list[Sample], *, change: bool = True) -> list[Row]:
    header = "case,metric,role,time,value" + (",change_time" if change else "")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cases.csv"
        file.write_text("\n".join([header, *(row.line(change) for row in rows), ""]))
        reading = read(file)
    assert reading.problems == ()
    judging = Judging(LOOKS, JudgePolicy())
    return [row for judged in judged_in_order(reading, judging) for row in judged.rows]


@settings(deadline=None, max_examples=20)
@given(rows=samples().filter(bool), seed=st.integers(0, 2**32), change=st.booleans())
def test_the_order_of_rows_changes_nothing_but_the_order_of_cases(
    rows: list[Sample], seed: int, change: bool
) -> None:
    shuffled = list(rows)
    Random(seed).shuffle(shuffled)

    assert sorted(verdicts(shuffled, change=change)) == sorted(verdicts(rows, change=change))


@settings(deadline=None, max_examples=20)
@given(rows=samples(), look=st.sampled_from(LOOKS))
def test_what_comes_after_a_look_does_not_change_its_row(rows: list[Sample], look: timedelta) -> None:
    minutes = look / timedelta(minutes=1)
    by_then = [row for row in rows if row.minute <= minutes]
    there = {row.case for row in by_then}
    if not by_then:
        return

    early = [row for row in verdicts(by_then) if float(row.look_minutes) <= minutes]
    whole = [row for row in verdicts(rows) if float(row.look_minutes) <= minutes and row.case in there]

    assert sorted(early) == sorted(whole)


@settings(deadline=None, max_examples=20)
@given(rows=samples().filter(bool))
def test_a_case_is_judged_alike_whatever_other_cases_there_are(rows: list[Sample]) -> None:
    together = verdicts(rows)

    for case in {row.case for row in rows}:
        alone = verdicts([row for row in rows if row.case == case])
        assert alone == [row for row in together if row.case == case]


@settings(deadline=None, max_examples=20)
@given(rows=samples().filter(bool))
def test_every_case_has_a_row_for_every_look_and_no_data_is_never_go(rows: list[Sample]) -> None:
    found = verdicts(rows)

    cases = dict.fromkeys(row.case for row in rows)
    assert [(row.case, row.look_minutes) for row in found] == [
        (case, look) for case in cases for look in ("5", "12", "25")
    ]
    for row in found:
        assert row.metrics_judged >= row.metrics_failed
        assert row.verdict is not Verdict.GO or row.metrics_judged > 0
        assert row.reason
