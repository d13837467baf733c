"""Every form of an SLO gets tests that its rules pass; what cannot be tested is told."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any

import pytest

from release_watch.catalog.slos import WINDOW, Slo
from release_watch.slo.rulefile import RuleGroup
from release_watch.slo.unit_tests import unit_tests
from release_watch.slo.unit_tests.scenes import (
    DAY_TICKET,
    FEW_HOURS,
    QUIET,
    SLOW_PAGE,
    SLOW_TICKET,
    VANISHING,
)
from tests.slo.unit_tests.proofs import failure, proof_of, rules_of

MINUTE = timedelta(minutes=1)


def form(name: str, **fields: Any) -> Slo:
    """Return an SLO of the counter ``<name>_total`` where the fields say nothing else."""
    metric = name.replace("-", "_")
    return Slo(
        **{
            "name": name,
            "service": "checkout",
            "description": "",
            "objective": Decimal("0.999"),
            "window_days": 30,
            "kind": "ratio",
            "good": None,
            "bad": f'{metric}_total{{code=~"5..|429"}}' if "good" not in fields else None,
            "total": f"{metric}_total",
            **fields,
        }
    )


def rate(metric: str) -> str:
    return f"sum(rate({metric}[{WINDOW}]))"


FORMS = [
    form("good", good='good_total{code!~"5.."}'),
    form("latency", kind="latency", good='latency_bucket{le=~"0\\\\.25"}', total="latency_count"),
    form("expression", bad=rate('requests{code="500"}'), total=rate("requests")),
    form(
        "parts",
        bad=rate("failed_total"),
        total=f"{rate('failed_total')} + {rate('served_total')}",
    ),
    form("grouped", group_by=("route",)),
    form("pages-only", ticket=False),
    form("tickets-only", page=False),
]
SAMPLED = [
    form(
        "queue",
        kind="threshold",
        bad=f"sum(count_over_time((queue > 100)[{WINDOW}:1m]))",
        total=f"sum(count_over_time((queue >= -1e300)[{WINDOW}:1m]))",
        per_second=False,
    ),
    form("slices", budgeting="Timeslices", slice=2 * MINUTE, slice_target=Decimal("0.95")),
    form("shares", budgeting="RatioTimeslices", slice=MINUTE),
]


def every_group(slos: list[Slo]) -> list[RuleGroup]:
    return [group for slo in slos for group in rules_of(slo)]


def test_rules_of_every_form_pass_their_tests(promtool: Path, tmp_path: Path) -> None:
    tests = proof_of(*FORMS)

    assert tests.untested == ()
    scenes = [VANISHING, QUIET, FEW_HOURS]
    assert failure(promtool, tmp_path, every_group(FORMS), tests, scenes=scenes) == ""


@pytest.mark.parametrize(
    ("days", "scenes"), [(7, [SLOW_PAGE, SLOW_TICKET]), (90, [DAY_TICKET])], ids=["week", "quarter"]
)
def test_long_windows_of_other_periods_pass_their_tests(
    days: int, scenes: list[str], promtool: Path, tmp_path: Path
) -> None:
    slo = form("period", window_days=days)
    tests = proof_of(slo)

    assert tests.untested == ()
    assert failure(promtool, tmp_path, rules_of(slo), tests, scenes=scenes) == ""


@pytest.mark.parametrize("slo", SAMPLED, ids=lambda slo: slo.name)
def test_what_is_sampled_passes_its_tests_and_what_they_leave_out_is_told(
    slo: Slo, promtool: Path, tmp_path: Path
) -> None:
    tests = proof_of(slo)

    assert [line.partition(", alone")[0] for line in tests.untested[:2]] == [
        f"{slo.name}: the slower arm of the page",
        f"{slo.name}: the faster arm of the ticket",
    ]
    assert failure(promtool, tmp_path, rules_of(slo), tests, scenes=[VANISHING]) == ""


@pytest.mark.parametrize(
    ("slo", "why"),
    [
        (
            form("p", bad=f'rate({{__name__=~"a.+"}}[{WINDOW}])', total=rate("b")),
            "by a pattern",
        ),
        (form("o", bad=f"rate(a[{WINDOW}] offset 1h)", total=rate("b")), "reads another time"),
        (form("m", bad=f"max(rate(a[{WINDOW}]))", total=rate("b")), "aggregates by max"),
        (form("d", bad=f"deriv(a[{WINDOW}])", total=rate("b")), "uses deriv()"),
        (form("t", bad='a{code=~"(?i)err"}', total="a"), "no series were found"),
        (form("s", bad="a", total="a"), "no series were found"),
    ],
    ids=["pattern", "offset", "maximum", "function", "regex", "all bad"],
)
def test_what_cannot_be_made_up_is_told_with_its_reason(slo: Slo, why: str) -> None:
    tests = proof_of(slo)

    assert tests.scenes == ()
    (told,) = tests.untested
    assert told.startswith(f"{slo.name}: no alert: ")
    assert why in told


def test_a_value_that_is_given_helps_where_none_is_found() -> None:
    slo = form("t", bad='a{code=~"(?i)err"}', total="a")

    tests = unit_tests([(slo, rules_of(slo))], {"code": "ERR"})

    assert tests.untested == ()
    assert 'code="ERR"' in "".join(tests.files("rules.yaml", PurePath("tests.yaml")).values())


def test_slos_of_the_same_series_are_tested_together_or_one_after_the_other() -> None:
    errors = form("errors", bad='a_count{code="500"}', total="a_count")
    slow = form("slow", good='a_bucket{le="1"}', total="a_count")
    the_same = form("same", good='a_count{code!="500"}', total="a_count", objective=Decimal("0.99"))

    together, apart = proof_of(errors, slow), proof_of(errors, the_same)

    assert together.untested == apart.untested == ()
    assert len(together.scenes) == len(proof_of(errors).scenes)
    assert len(apart.scenes) == 2 * len(together.scenes)
