from __future__ import annotations

from release_watch.artifacts.models import MetricBaseline
from release_watch.baseline.doubt import doubts_in_words

GAPS = "54% of the samples are there; 80% are needed"


def entry(service: str, metric: str, reason: str | None) -> MetricBaseline:
    return MetricBaseline(
        service=service,
        metric=metric,
        unit="",
        quantiles={},
        normal_range=None,
        samples=0,
        completeness=0,
        query="",
        reason=reason,
    )


def test_what_is_doubted_for_the_same_reason_is_said_once() -> None:
    entries = [entry(f"s{n}", "latency", GAPS) for n in range(7)]
    entries += [
        entry("s0", "orders", "no data"),
        entry("s0", "memory", None),
        entry("s1", "orders", "no data"),
    ]

    assert doubts_in_words(entries) == [
        f"s0 latency, s1 latency, s2 latency, s3 latency, s4 latency and 2 more: {GAPS}",
        "s0 orders, s1 orders: no data",
    ]
