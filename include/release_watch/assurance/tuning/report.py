"""``alert-tuning-report.md``: what alerts were worth, what is proposed and proven, and what is in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from release_watch.assurance.correlation import Correlation
from release_watch.assurance.proportion import in_words
from release_watch.assurance.quality.tables import quality_tables
from release_watch.assurance.tuning import acceptance
from release_watch.assurance.tuning.advice import proposals
from release_watch.assurance.tuning.back_test import BackTest
from release_watch.assurance.tuning.printing import back_test_parts
from release_watch.catalog.config import Config
from release_watch.catalog.slos import Slo
from release_watch.clock import in_words as duration_in_words
from release_watch.markdown import render
from release_watch.release import Release
from release_watch.slo.rulefile import Rule, from_yaml


def tuning_report(
    release: Release,
    correlation: Correlation,
    config: Config,
    at: datetime,
    *,
    rules: Sequence[str] = (),
    adjustments: Sequence[str] = (),
    back_tests: Sequence[BackTest] = (),
    pictures: Mapping[str, str] | None = None,
) -> str:
    """Return ``alert-tuning-report.md`` of one release; see :func:`tuning_markdown`."""
    return tuning_markdown(
        correlation,
        release_id=release.release_id,
        environment=release.environment,
        services=release.services,
        config=config,
        rules=rules,
        adjustments=adjustments,
        back_tests=back_tests,
        pictures=pictures,
        at=at,
    )


def tuning_markdown(
    correlation: Correlation,
    *,
    release_id: str,
    environment: str,
    services: Sequence[str],
    config: Config,
    rules: Sequence[str] = (),
    adjustments: Sequence[str] = (),
    back_tests: Sequence[BackTest] = (),
    pictures: Mapping[str, str] | None = None,
    at: datetime,
) -> str:
    """Return the tuning report over ``services``: what alerts were worth, proposals, thresholds in force.

    ``rules`` are the texts of the active rule files, whose thresholds the report documents; ``adjustments``
    the changes that were made, in words, with who approved them. ``back_tests`` are changes replayed over
    history; ``pictures`` the file beside the report that shows one, by :attr:`BackTest.key`.

    Raises:
        InvalidInputError: if a rule file cannot be read.
    """
    return render(
        "release_watch.assurance",
        "alert-tuning-report.md.j2",
        release_id=release_id,
        environment=environment,
        at=at,
        correlation=correlation,
        length=duration_in_words(correlation.window.end - correlation.window.start),
        verdict=correlation.verdict,
        precision=in_words(correlation.precision),
        recall=in_words(correlation.recall),
        detection=_detection(correlation.detection_seconds),
        measured=quality_tables(correlation.report),
        missed=[(i.ref, i.service, i.title, i.opened_at.isoformat()) for i in correlation.missed],
        proposals=proposals(correlation),
        adjustments=adjustments,
        back_tests=[back_test_parts(one, (pictures or {}).get(one.key)) for one in back_tests],
        acceptance=acceptance.RULES,
        objectives=[_slo_row(slo) for slo in config.slos_of(services)],
        thresholds=[row for text in rules for row in _threshold_rows(text)],
        matching=correlation.report.rules,
        queries=sorted(correlation.report.queries.items()),
    )


def _detection(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return f"{abs(seconds):.0f} s {'before' if seconds >= 0 else 'after'} the ticket (median)"


def _slo_row(slo: Slo) -> tuple[str, ...]:
    latency = f"{slo.threshold_seconds} s" if slo.threshold_seconds is not None else ""
    return slo.service, slo.name, f"{slo.objective:%} over {slo.window_days} d", latency


def _threshold_rows(text: str) -> list[tuple[str, ...]]:
    """Return the alerts of a rule file with their thresholds in words, as the rules themselves tell them."""
    return [
        (
            rule.name,
            rule.service or "",
            rule.labels.get("slo", ""),
            rule.labels.get("severity", ""),
            rule.hold or "0s",
            _threshold(rule),
        )
        for group in from_yaml(text)
        for rule in group.alerts
    ]


def _threshold(rule: Rule) -> str:
    told = rule.annotations.get("threshold", rule.expr)
    tuned = rule.annotations.get("tuned")
    return f"{told} (tuned: {tuned})" if tuned else told
