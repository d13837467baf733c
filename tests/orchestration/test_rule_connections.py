"""How the Prometheus connection says in which way rules get into force, and what is sent to a ruler."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from release_watch.errors import InvalidInputError
from release_watch.orchestration.hooks.backends import AirflowBackends
from release_watch.slo.targets.choice import target_of
from release_watch.slo.targets.ruler import RulerTarget
from release_watch.slo.targets.settings import way_of
from release_watch.telemetry.backends import RuleBackends
from tests.orchestration.server import Server

CONNECTION = "AIRFLOW_CONN_PROMETHEUS_DEFAULT"
RULES = "groups: [{name: g, interval: 30s, rules: [{record: 'a:b:c', expr: 'up > 0', labels: {ä: ö}}]}]"


def test_airflow_connections_choose_the_way(monkeypatch, server: Server, tmp_path: Path):
    rules = {"target": "gitops", "directory": str(tmp_path)}
    monkeypatch.setenv(CONNECTION, server.connection(extra={"rules": rules, "rules_directory": "/drills"}))
    backends = AirflowBackends()

    assert isinstance(backends, RuleBackends)
    assert target_of(backends).kind == "gitops"
    assert backends.rules_directory() == Path("/drills")


@pytest.mark.parametrize("extra", [{"rules_directory": "{}"}, {"rules": {"directory": "{}"}}])
def test_both_names_of_the_folder_mean_the_same(extra, monkeypatch, server: Server, tmp_path: Path):
    given = yaml.safe_load(str(extra).replace("{}", str(tmp_path)))
    monkeypatch.setenv(CONNECTION, server.connection(extra=given))

    assert AirflowBackends().rules_directory() == tmp_path
    assert target_of(AirflowBackends()).place("a") == str(tmp_path / "release-watch-a.yaml")


def test_a_wrong_setting_names_the_connection_of_the_environment(monkeypatch, server: Server):
    monkeypatch.setenv("AIRFLOW_CONN_PROMETHEUS_STAGING", server.connection(extra={"rules": "git"}))

    with pytest.raises(InvalidInputError, match=r"connection 'prometheus_staging', extra\.rules\.target"):
        way_of(AirflowBackends("staging"))


def test_a_group_goes_to_the_ruler_as_yaml_with_the_tenant_and_is_repeated(monkeypatch, server: Server):
    extra = {"rules": {"target": "ruler", "connection": "mimir"}, "headers": {"X-Scope-OrgID": "other"}}
    monkeypatch.setenv(CONNECTION, server.connection(extra=extra))
    ruler = server.connection(schema="http", extra={"headers": {"X-Scope-OrgID": "shop"}})
    monkeypatch.setenv("AIRFLOW_CONN_MIMIR", ruler)
    server.answer((404, "no rule groups found\n"), (503, "busy"), (202, {"status": "success"}))
    target = target_of(AirflowBackends())
    assert isinstance(target, RulerTarget)

    target.put({"a": RULES})

    listed, _, sent = server.asked
    assert (listed.method, listed.path) == ("GET", "/config/v1/rules/release-watch-a")
    assert (sent.method, sent.path) == ("POST", "/config/v1/rules/release-watch-a")
    assert (sent.headers["Content-Type"], sent.headers["X-Scope-OrgID"]) == ("application/yaml", "shop")
    assert yaml.safe_load(sent.body) == yaml.safe_load(RULES)["groups"][0]


def test_groups_that_a_ruler_answers_as_yaml_are_read(monkeypatch, server: Server):
    monkeypatch.setenv(CONNECTION, server.connection(extra={"rules": "ruler"}))
    server.answer((200, "release-watch-a:\n- name: g\n  rules:\n  - {record: 'a:b:c', expr: up}\n"))

    assert yaml.safe_load(target_of(AirflowBackends()).read("a") or "")["groups"][0]["name"] == "g"
    assert target_of(AirflowBackends()).names() == ["a"]
