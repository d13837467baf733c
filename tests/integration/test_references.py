"""Whether expressions find their series, asked of a real Prometheus that watches itself."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from release_watch.catalog.policies import CoveragePolicy
from release_watch.catalog.slos import Slo
from release_watch.coverage.plausibility import check_plausibility
from release_watch.coverage.questions import Question
from release_watch.coverage.reads import Reads
from release_watch.coverage.references import check_references
from release_watch.release import Release
from release_watch.telemetry.metrics import Metrics
from tests.integration.direct import DirectBackends

REQUESTS = "prometheus_http_requests_total"
SECONDS = "prometheus_http_request_duration_seconds"
QUERIES = 'job="prometheus",handler="/api/v1/query"'
WITHIN = 20.0

EXPRESSIONS = [
    ("live", "PASS", f"sum by (code) (rate({REQUESTS}{{{QUERIES}}}[1m]))"),
    ("quantile", "PASS", f"histogram_quantile(0.9, sum by (le) (rate({SECONDS}_bucket{{{QUERIES}}}[5m])))"),
    ("raw string", "PASS", 'node_cpu_seconds_total{cpu=~`\\d+`,mode!="idle"}'),
    ("no error yet", "PASS", f'sum(rate({REQUESTS}{{{QUERIES},code=~"5.."}}[5m])) or 0 * up'),
    (
        "convention",
        "PASS",
        f"rate(http_requests_total{{{QUERIES}}}[5m]) or rate({REQUESTS}{{{QUERIES}}}[5m])",
    ),
    ("may be missing", "PASS", 'absent(up{job="nobody"})'),
    ("long ago", "PASS", "max_over_time(rate(prometheus_tsdb_head_series[1m])[2h:5m] offset 1w)"),
    ("metric", "FAIL", f"sum(rate({REQUESTS[:-1]}{{{QUERIES}}}[5m]))"),
    ("value", "FAIL", f'{REQUESTS}{{job="promethoys"}}'),
    ("label", "FAIL", f'{REQUESTS}{{{QUERIES},status=~"5.."}} or vector(0)'),
    ("bucket", "FAIL", f'{SECONDS}_bucket{{{QUERIES},le="0.3"}}'),
    ("target", "FAIL", 'max(up{job="promethoys"}) == 0'),
    ("refused", "FAIL", "sum(rate(up[5m])"),
]
WORDS = {
    "no error yet": "no error yet",
    "metric": f"no series is named {REQUESTS[:-1]}; near it, with these labels: {REQUESTS}",
    "value": 'job="promethoys" matches none of the values there are: prometheus',
    "label": "label status of",
    "bucket": "there are: 0.1, 0.2, 0.4",
    "target": "there are: prometheus",
    "refused": "parse error: unclosed left parenthesis",
}


@pytest.fixture
def metrics(backends: DirectBackends) -> Metrics:
    """Prometheus, once it has counted queries of its own in several scrapes."""
    metrics = backends.metrics()
    give_up = time.monotonic() + WITHIN
    while not metrics.instant(f"sum(increase({REQUESTS}{{{QUERIES}}}[10s])) > 0 and count(node_uname_info)"):
        assert time.monotonic() < give_up, "Prometheus does not count its own queries"
        time.sleep(0.5)
    return metrics


@pytest.fixture
def question() -> Question:
    at = datetime.now(UTC)
    release = Release(
        deployment_id="dep-1",
        release_id="shop-1.1.0",
        version="1.1.0",
        environment="production",
        services=("shop",),
        deployed_at=at - timedelta(minutes=10),
        evidence_uri="file:///evidence",
    )
    return Question(release, at, CoveragePolicy(), {})


def slo(name: str, good: str, total: str) -> Slo:
    return Slo(
        name=name,
        service="shop",
        description="",
        objective=Decimal("0.99"),
        window_days=30,
        kind="latency" if "_bucket" in good else "ratio",
        good=good,
        bad=None,
        total=total,
    )


def test_expressions_find_their_series_or_say_which_matcher_does_not(
    metrics: Metrics, question: Question
) -> None:
    reads = [Reads("panel", name, None, expression) for name, _, expression in EXPRESSIONS]
    checks = {reference.name: reference.check for reference in check_references(reads, metrics, question)}
    statuses = {name: str(check.status) for name, check in checks.items()}
    assert statuses == {name: status for name, status, _ in EXPRESSIONS}
    assert {
        name: checks[name].observed for name, words in WORDS.items() if words not in checks[name].observed
    } == {}


def test_an_slo_with_more_good_events_than_events_fails(metrics: Metrics, question: Question) -> None:
    queries = f"{REQUESTS}{{{QUERIES}}}"
    slos = [
        slo("healthy", f'{REQUESTS}{{{QUERIES},code="200"}}', queries),
        slo("fast", f'{SECONDS}_bucket{{{QUERIES},le="120"}}', f"{SECONDS}_count{{{QUERIES}}}"),
        slo("above", 'prometheus_tsdb_head_samples_appended_total{job="prometheus"}', queries),
        slo("no such bucket", f'{SECONDS}_bucket{{{QUERIES},le="0.3"}}', f"{SECONDS}_count{{{QUERIES}}}"),
    ]
    checks = {reference.name: reference.check for reference in check_plausibility(slos, metrics, question)}
    found = {name: (check.name, str(check.status)) for name, check in checks.items()}
    assert found == {
        "healthy": ("plausible", "PASS"),
        "fast": ("plausible", "PASS"),
        "above": ("plausible", "FAIL"),
        "no such bucket": ("series", "FAIL"),
    }


def test_nothing_is_there_before_anything_was(metrics: Metrics, question: Question) -> None:
    before = Question(question.release, question.at - timedelta(days=2), question.policy, {})
    (found,) = check_references([Reads("alert", "it", None, f"{REQUESTS}{{{QUERIES}}}")], metrics, before)
    assert (found.check.status, found.check.observed) == (
        "FAIL",
        f'no series is named {REQUESTS}, nor has any series {{handler="/api/v1/query",job="prometheus"}}',
    )
