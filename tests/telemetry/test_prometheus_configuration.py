from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from release_watch.errors import BackendError
from release_watch.telemetry import prometheus_api
from release_watch.transport import Answer


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("global:\n  scrape_interval: 15s\n  scrape_timeout: 10s\n", timedelta(seconds=15)),
        ("global:\n  evaluation_interval: 1m\n  scrape_interval: 1m30s\n", timedelta(seconds=90)),
        ("global:\n  scrape_timeout: 10s\nscrape_configs:\n- job_name: a\n  scrape_interval: 5s\n", None),
        ("scrape_configs:\n- job_name: a\n  scrape_interval: 5s\n", None),
    ],
    ids=["first", "after others", "only of a job", "no global"],
)
def test_the_scrape_interval_is_that_of_all_targets(
    transport: Any, text: str, interval: timedelta | None
) -> None:
    transport.answers["/api/v1/status/config"] = Answer(200, {"status": "success", "data": {"yaml": text}})

    assert prometheus_api.scrape_interval(transport) == interval


@pytest.mark.parametrize("succeeded", [True, False])
def test_prometheus_says_whether_it_read_its_configuration(transport: Any, succeeded: bool) -> None:
    data = {"reloadConfigSuccess": succeeded}
    transport.answers["/api/v1/status/runtimeinfo"] = Answer(200, {"status": "success", "data": data})

    assert prometheus_api.reload_succeeded(transport) is succeeded


@pytest.mark.parametrize("read", [prometheus_api.reload_succeeded, prometheus_api.scrape_interval])
def test_an_answer_without_it_is_an_error(transport: Any, read: Any) -> None:
    for path in ("config", "runtimeinfo"):
        transport.answers[f"/api/v1/status/{path}"] = Answer(200, {"status": "success", "data": {}})

    with pytest.raises(BackendError, match="unexpected form"):
        read(transport)
