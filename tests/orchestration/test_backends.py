from __future__ import annotations

import contextlib
import json
from collections import Counter

import pytest

from release_watch.catalog.models import LogsSignal, MetricsSignal, Service, Signals, Tier, TracesSignal
from release_watch.errors import NotConfiguredError, ReleaseWatchError
from release_watch.orchestration.hooks import backends
from release_watch.orchestration.hooks.backends import AirflowBackends
from release_watch.orchestration.hooks.transport import find_connection
from tests.orchestration.server import Server

HTTP_BACKENDS = {
    "prometheus": "prometheus",
    "alertmanager": "alertmanager",
    "grafana": "grafana",
    "oncall": "oncall",
    "tickets": "tickets",
    "orchestrator": "release_orchestrator",
}


@pytest.fixture
def configured(monkeypatch):
    """Configures connections, each with a host of its own name."""

    def configure(*conn_ids: str) -> None:
        for conn_id in conn_ids:
            connection = {"conn_type": "http", "host": f"{conn_id.replace('_', '-')}.example.com"}
            monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    return configure


def service(**signals: object) -> Service:
    return Service(name="checkout", tier=Tier.CRITICAL, owner="team", signals=Signals(**signals))


@pytest.mark.parametrize(("method", "name"), HTTP_BACKENDS.items())
def test_the_default_connection_is_taken(method, name, configured):
    configured(f"{name}_default")

    host = f"{name}-default".replace("_", "-")
    assert getattr(AirflowBackends("staging"), method)().base_url == f"http://{host}.example.com"


@pytest.mark.parametrize(("method", "name"), HTTP_BACKENDS.items())
def test_the_connection_of_the_environment_goes_first(method, name, configured):
    configured(f"{name}_default", f"{name}_staging", f"{name}_production")

    host = f"{name}-staging".replace("_", "-")
    assert getattr(AirflowBackends("staging"), method)().base_url == f"http://{host}.example.com"


@pytest.mark.parametrize(("method", "name"), HTTP_BACKENDS.items())
def test_another_environments_connection_is_never_taken(method, name, configured):
    configured(f"{name}_production")

    with pytest.raises(NotConfiguredError, match=f"'{name}_default'"):
        getattr(AirflowBackends("staging"), method)()


def test_a_service_may_name_its_own_connections(configured):
    configured(
        *(f"{name}_{which}" for name in ("prometheus", "loki", "tempo") for which in ("default", "team"))
    )
    named = service(
        metrics=MetricsSignal(selector='job="a"', connection="prometheus_team"),
        logs=LogsSignal(selector='{a="b"}', connection="loki_team"),
        traces=TracesSignal(service_name="checkout", connection="tempo_team"),
    )
    backends = AirflowBackends("production")

    assert backends.metrics(named) is not backends.metrics()
    assert backends.metrics(named).base_url == "http://prometheus-team.example.com"
    assert backends.logs(named).base_url == "http://loki-team.example.com"
    assert backends.traces(named).base_url == "http://tempo-team.example.com"


def test_a_service_that_names_none_is_asked_of_where_the_environment_is(configured):
    configured("prometheus_default", "prometheus_production")
    backends = AirflowBackends("production")

    assert backends.metrics(service(metrics=MetricsSignal(selector='job="a"'))) is backends.metrics()
    assert backends.metrics().base_url == "http://prometheus-production.example.com"


def test_a_service_whose_own_connection_is_missing_is_not_asked_elsewhere(configured):
    configured("prometheus_default", "prometheus_production")
    named = service(metrics=MetricsSignal(selector='job="a"', connection="prometheus_team"))

    with pytest.raises(NotConfiguredError, match="AIRFLOW_CONN_PROMETHEUS_TEAM"):
        AirflowBackends("production").metrics(named)


def test_a_connection_that_is_missing_is_looked_up_once(configured, monkeypatch):
    configured("prometheus_default")
    looked_up = []
    monkeypatch.setattr(
        backends, "find_connection", lambda name, why: (looked_up.append(name), find_connection(name, why))[1]
    )
    found = AirflowBackends("staging")
    named = [service(metrics=MetricsSignal(selector='job="a"', connection="prometheus_team"))] * 3

    for one in (*named, None, None):
        with contextlib.suppress(NotConfiguredError):
            found.metrics(one)
    with pytest.raises(NotConfiguredError, match="needed for metrics"):
        found.metrics(named[0])

    assert Counter(looked_up) == {"prometheus_team": 1, "prometheus_staging": 1, "prometheus_default": 1}


def test_the_rules_directory_stands_in_the_extra(monkeypatch, server: Server, tmp_path):
    monkeypatch.setenv(
        "AIRFLOW_CONN_PROMETHEUS_DEFAULT", server.connection(extra={"rules_directory": str(tmp_path)})
    )

    assert AirflowBackends().rules_directory() == tmp_path


def test_without_a_rules_directory_there_is_none(configured):
    configured("prometheus_default")

    assert AirflowBackends().rules_directory() is None


@pytest.mark.parametrize("program", ["promtool", "amtool"])
def test_a_missing_program_says_how_to_get_it(program, monkeypatch):
    monkeypatch.delenv(f"RELEASE_WATCH_{program.upper()}", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(ReleaseWatchError, match=f"{program} is not on PATH.*RELEASE_WATCH_{program.upper()}"):
        getattr(AirflowBackends(), program)()


def test_metric_queries_carry_the_credentials_and_headers_of_the_connection(monkeypatch, server: Server):
    server.answer((200, {"status": "success", "data": {"resultType": "vector", "result": []}}))
    extra = {"headers": {"X-Scope-OrgID": "shop"}}
    monkeypatch.setenv("AIRFLOW_CONN_PROMETHEUS_DEFAULT", server.connection(password="a-token", extra=extra))

    AirflowBackends().metrics().instant("up")

    sent = server.asked[0].headers
    assert (sent["Authorization"], sent["X-Scope-OrgID"]) == ("Bearer a-token", "shop")
