from __future__ import annotations

import pytest

from release_watch.judge.judgement import quantity


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.13744, "ratio", "13.74 %"),
        (0.0, "ratio", "0 %"),
        (0.7375, "s", "0.7375 s"),
        (3.0, "", "3"),
        (None, "s", None),
    ],
    ids=["a ratio in percent", "nothing", "seconds", "no unit", "unknown"],
)
def test_a_quantity_reads_as_a_person_says_it(value: float | None, unit: str, words: str | None) -> None:
    assert quantity(value, unit) == words
