from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from release_watch.errors import BackendError
from release_watch.telemetry import prometheus_api
from release_watch.transport import Answer

RULES = {
    "groups": [
        {
            "name": "slo",
            "file": "/rules/a.yaml",
            "interval": 30,
            "rules": [
                {
                    "type": "alerting",
                    "name": "Burn",
                    "query": "x > 1",
                    "duration": 120,
                    "labels": {"severity": "page"},
                    "annotations": {"summary": "s"},
                    "health": "err",
                    "lastError": "many-to-many",
                    "state": "inactive",
                    "lastEvaluation": "2026-01-02T03:04:05.123456789Z",
                },
                {
                    "type": "recording",
                    "name": "r:x",
                    "query": "x",
                    "health": "unknown",
                    "lastEvaluation": "0001-01-01T00:00:00Z",
                },
            ],
        }
    ]
}


def success(data: Any) -> Answer:
    return Answer(200, {"status": "success", "data": data})


def test_rules_are_read_with_their_health_and_error(transport: Any) -> None:
    transport.answers["/api/v1/rules"] = success(RULES)

    alerting, recording = prometheus_api.rules(transport)

    assert (alerting.group, alerting.name, alerting.kind, alerting.duration_seconds) == (
        "slo",
        "Burn",
        "alerting",
        120,
    )
    assert (alerting.health, alerting.last_error) == ("err", "many-to-many")
    assert alerting.last_evaluation == datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)
    assert (recording.kind, recording.labels, recording.last_evaluation) == ("recording", {}, None)


def test_alerts_are_read_with_their_state(transport: Any) -> None:
    alert = {
        "labels": {"alertname": "Burn"},
        "annotations": {},
        "state": "firing",
        "activeAt": "2026-01-02T03:04:05Z",
        "value": "1e+00",
    }
    transport.answers["/api/v1/alerts"] = success({"alerts": [alert]})

    (found,) = prometheus_api.alerts(transport)

    assert (found.state, found.value, found.labels["alertname"]) == ("firing", 1.0, "Burn")
    assert found.active_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_targets_are_read_with_their_health(transport: Any) -> None:
    target = {
        "labels": {"job": "shop/checkout"},
        "scrapeUrl": "http://x/metrics",
        "health": "down",
        "lastError": "refused",
        "lastScrape": "2026-01-02T03:04:05Z",
    }
    transport.answers["/api/v1/targets"] = success({"activeTargets": [target]})

    (found,) = prometheus_api.targets(transport)

    assert (found.job, found.health, found.last_error) == ("shop/checkout", "down", "refused")


def test_the_list_of_alertmanagers_can_be_empty(transport: Any) -> None:
    transport.answers["/api/v1/alertmanagers"] = success({"activeAlertmanagers": []})

    assert prometheus_api.alertmanagers(transport) == []


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("15d", timedelta(days=15)),
        ("30d or 512MiB", timedelta(days=30)),
        ("1w2d12h", timedelta(days=9, hours=12)),
        ("10GiB", None),
        ("", None),
    ],
)
def test_retention_is_read_as_the_server_writes_it(
    transport: Any, text: str, length: timedelta | None
) -> None:
    transport.answers["/api/v1/status/runtimeinfo"] = success({"storageRetention": text})

    assert prometheus_api.retention(transport) == length


def test_a_reload_is_a_post(transport: Any) -> None:
    transport.answers["/-/reload"] = Answer(200, "")

    prometheus_api.reload(transport)

    assert transport.asked == [("POST", "/-/reload", {})]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (BackendError("Prometheus", "answered 500: bad.yaml: unknown field", status=500), "unknown field"),
        (Answer(403, "Lifecycle API is not enabled."), "--web.enable-lifecycle"),
        (Answer(401, "who are you"), "who are you"),
    ],
)
def test_a_refused_reload_says_why(transport: Any, answer: Answer | Exception, said: str) -> None:
    transport.answers["/-/reload"] = answer

    with pytest.raises(BackendError, match=said):
        prometheus_api.reload(transport)


@pytest.mark.parametrize(
    "read",
    [prometheus_api.rules, prometheus_api.alerts, prometheus_api.targets, prometheus_api.alertmanagers],
    ids=lambda read: read.__name__,
)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(404, "not found"), id="404"),
        pytest.param(Answer(200, {"status": "error", "error": "x"}), id="error"),
        pytest.param(Answer(200, "<html>"), id="no JSON"),
        pytest.param(Answer(200, {"status": "success", "data": {}}), id="nothing in it"),
        pytest.param(Answer(200, {"status": "success", "data": None}), id="null"),
    ],
)
def test_an_answer_of_another_form_is_an_error_and_never_an_empty_list(
    transport: Any, read: Callable[[Any], list[Any]], answer: Answer
) -> None:
    for path in ("rules", "alerts", "targets", "alertmanagers"):
        transport.answers[f"/api/v1/{path}"] = answer

    with pytest.raises(BackendError, match="Prometheus"):
        read(transport)
