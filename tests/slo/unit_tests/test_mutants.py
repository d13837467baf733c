"""The generated tests pass for our rules, and fail as soon as one thing that matters is taken out of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from release_watch.catalog.slos import Slo
from release_watch.slo.rulefile import Rule
from release_watch.slo.unit_tests.scenes import (
    DAY_TICKET,
    FEW_DAYS,
    FEW_HOURS,
    QUIET,
    SLOW_PAGE,
    SLOW_TICKET,
    VANISHING,
)
from tests.slo.unit_tests.proofs import Change, changed, failure, proof_of, rules_of

BURN = ("SloBurnRatePage", "SloBurnRateTicket")


def rewritten(alerts: tuple[str, ...], pattern: str, replacement: str) -> Change:
    """Return a change of some rules' expressions, which must have what is replaced."""

    def change(rule: Rule) -> Rule:
        if rule.name not in alerts:
            return rule
        expr, count = re.subn(pattern, replacement, rule.expr)
        assert count, f"{rule.name} has no {pattern}"
        return rule.model_copy(update={"expr": expr})

    return change


def without(alert: str) -> Change:
    return lambda rule: None if rule.name == alert else rule


def at_once(rule: Rule) -> Rule:
    return rule.model_copy(update={"hold": None})


MUTANTS: dict[str, tuple[str, Change]] = {
    "no weighting of a window that is hardly known": (
        QUIET,
        rewritten(BURN, r" \* slo:history:ratio\w+\{[^}]*\}", ""),
    ),
    "no least number of failures": (
        FEW_HOURS,
        rewritten(BURN, r" and slo:events_bad:rate\w+\{[^}]*\} \* \d+ > 4.5", ""),
    ),
    "no short window": (VANISHING, rewritten(BURN, r" and \(slo:error_ratio:.*?\{[^}]*\}\)", "")),
    "no long window": (
        VANISHING,
        rewritten(
            BURN, r"\(slo:error_ratio:rate\w+\{[^}]*\} \* slo:history:ratio\w+\{[^}]*\} > [\d.]+ and ", "("
        ),
    ),
    "page at 12 instead of 14.4": (VANISHING, rewritten(BURN[:1], r"0\.0144", "0.012")),
    "page at 16 instead of 14.4": (VANISHING, rewritten(BURN[:1], r"0\.0144", "0.016")),
    "page's slower arm at 7 instead of 6": (SLOW_PAGE, rewritten(BURN[:1], r"0\.006", "0.007")),
    "page's slower arm at 5 instead of 6": (SLOW_PAGE, rewritten(BURN[:1], r"0\.006", "0.005")),
    "page without its slower arm": (SLOW_PAGE, rewritten(BURN[:1], r" or \(slo:error_ratio:rate6h.*$", "")),
    "page's short window of 15 minutes": (VANISHING, rewritten(BURN[:1], "rate5m", "rate30m")),
    "ticket at 1.1 instead of 1": (SLOW_TICKET, rewritten(BURN[1:], r"> 0\.001 ", "> 0.0011 ")),
    "ticket at 0.9 instead of 1": (SLOW_TICKET, rewritten(BURN[1:], r"> 0\.001 ", "> 0.0009 ")),
    "ticket's faster arm at 3.5 instead of 3": (DAY_TICKET, rewritten(BURN[1:], r"0\.003", "0.0035")),
    "ticket without its faster arm": (
        DAY_TICKET,
        rewritten(BURN[1:], r"^\(.*? or \((?=slo:error_ratio:rate3d)", "("),
    ),
    "a page that ends when telemetry vanishes": (
        VANISHING,
        rewritten(BURN[:1], r" or slo:error_ratio:\w+\{[^}]*\} unless slo:events_total:\w+\{[^}]*\}", ""),
    ),
    "no alert on telemetry that is gone": (VANISHING, without("SloTelemetryAbsent")),
    "an alert on absence at once": (VANISHING, at_once),
    "no alert at low traffic": (FEW_HOURS, without("SloLowTrafficErrors")),
    "low traffic seen for hours alone": (
        FEW_DAYS,
        rewritten(("SloLowTrafficErrors",), r" or \(slo:events_bad:rate3d.*?< 0\.5\)", ""),
    ),
    "0/0": (QUIET, rewritten(("slo:error_ratio:rate5m",), r"\((\S+) > 0\)", r"\1")),
}


def test_the_tests_pass_for_our_rules(slo: Slo, promtool: Path, tmp_path: Path) -> None:
    tests = proof_of(slo)

    assert tests.untested == ()
    assert failure(promtool, tmp_path, rules_of(slo), tests) == ""


@pytest.mark.parametrize(("scene", "change"), MUTANTS.values(), ids=MUTANTS)
def test_the_tests_fail_without_what_matters(
    scene: str, change: Change, slo: Slo, promtool: Path, tmp_path: Path
) -> None:
    mutant = changed(rules_of(slo), change)

    words = failure(promtool, tmp_path, mutant, proof_of(slo), scenes=[scene])

    assert "exp:" in words
    assert "got:" in words
