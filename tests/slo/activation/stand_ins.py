"""Stand-ins for servers that rules are activated on, as strict as the documented APIs of the real ones.

They evaluate nothing: whether expressions work is tried on the real Prometheus in tests/integration. There is
no Mimir here; :class:`RulerStandIn` follows the section Ruler of Grafana Mimir's HTTP API documentation, and
what its source answers to wrong requests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

from release_watch.errors import BackendError, NotConfiguredError
from release_watch.slo.rulefile import parse_prometheus_duration
from release_watch.telemetry.backends import RuleExtra, ToolMissingError
from release_watch.telemetry.metrics import Sample
from release_watch.telemetry.promql_text import normalised
from release_watch.transport import Answer


class Queries:
    """Metrics that answer nothing, refuse queries with ``broken`` in them, and remember the queries."""

    base_url = "http://stand-in"

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.asked: list[str] = []

    def instant(self, query: str, *_: object) -> list[Sample]:
        self.asked.append(query)
        if self.broken and self.broken in query:
            raise BackendError("Prometheus", "many-to-many matching not allowed", status=422)
        return []


class PrometheusStandIn:
    """Loads the rule files of a folder when it is told to; all or, if one is broken, none of them."""

    base_url = "http://prometheus"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.groups: list[dict[str, Any]] = []
        self.loaded_well = True
        self.health = "ok"
        self.alertmanagers = ["http://alertmanager"]
        self.asked: list[str] = []

    def request(
        self,
        method: str,  # noqa: ARG002 - one signature for all transports
        path: str,
        **_: object,
    ) -> Answer:
        self.asked.append(path)
        if path == "/-/reload":
            return self.reload()
        data = {
            "/api/v1/rules": {"groups": self.groups},
            "/api/v1/status/runtimeinfo": {
                "reloadConfigSuccess": self.loaded_well,
                "storageRetention": "1y",
            },
            "/api/v1/status/config": {"yaml": "global:\n  scrape_interval: 15s\n"},
            "/api/v1/alertmanagers": {"activeAlertmanagers": [{"url": url} for url in self.alertmanagers]},
        }
        return Answer(200, {"status": "success", "data": data[path]})

    def reload(self) -> Answer:
        try:
            self.groups = [
                listed(group, str(path), self.health)
                for path in sorted(self.folder.glob("*.yaml"))
                for group in yaml.safe_load(path.read_text())["groups"]
            ]
        except (ValueError, TypeError, KeyError, yaml.YAMLError) as error:
            self.loaded_well = False
            words = "answered 500: one or more errors occurred while applying the new configuration"
            raise BackendError("prometheus_default", words, status=500) from error
        self.loaded_well = True
        return Answer(200, "")


class RulerStandIn:
    """Mimir's ruler of one tenant, below ``/prometheus``; it lists a group some polls after it was set."""

    base_url = "http://mimir/prometheus"

    def __init__(self, tenant: str | None = "shop", *, polls_until_listed: int = 1) -> None:
        self.tenant = tenant
        self.stored: dict[str, dict[str, dict[str, Any]]] = {}
        self.listed: dict[str, dict[str, dict[str, Any]]] = {}
        self.polls_until_listed = polls_until_listed
        self.most_rules_per_group = 20  # -ruler.max-rules-per-rule-group
        self.most_groups = 70  # -ruler.max-rule-groups-per-tenant
        self.health = "ok"
        self.asked: list[tuple[str, str]] = []
        self._polls = 0

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> Answer:
        self.asked.append((method, path))
        if self.tenant is None:
            return Answer(401, "no org id")
        if path == "/api/v1/rules":
            return self._list_loaded()
        if not path.startswith("/config/v1/rules"):
            return Answer(404, "404 page not found")
        parts = [unquote(part) for part in path.removeprefix("/config/v1/rules").split("/")[1:]]
        handlers = {("GET", 0): self._get, ("GET", 1): self._get, ("DELETE", 2): self._delete}
        if (method, len(parts)) == ("POST", 1):
            return self._set(parts[0], as_sent(json), headers or {})
        handler = handlers.get((method, len(parts)))
        return Answer(405, "") if handler is None else handler(*parts)

    def _get(self, namespace: str | None = None) -> Answer:
        found = {name: list(groups.values()) for name, groups in self.stored.items() if groups}
        if namespace is not None:
            found = {name: groups for name, groups in found.items() if name == namespace}
        if not found:
            return Answer(404, "no rule groups found\n")
        return Answer(200, yaml.safe_dump(found))

    def _set(self, namespace: str, body: str, headers: Mapping[str, str]) -> Answer:
        if headers.get("Content-Type") != "application/yaml":
            return Answer(400, "unable to decoded rule group")
        group = yaml.safe_load(body)
        if problem := self._problem(namespace, group):
            return Answer(400, problem)
        self.stored.setdefault(namespace, {})[group["name"]] = group
        self._polls = 0
        return Answer(202, {"status": "success", "data": None, "errorType": "", "error": ""})

    def _problem(self, namespace: str, group: dict[str, Any]) -> str | None:
        if unknown := set(group) - {"name", "interval", "rules", "source_tenants", "query_offset"}:
            return f"unable to decoded rule group: field {unknown} not found"
        if not group.get("name") or not group.get("rules"):
            return "rule group name must not be empty"
        if len(group["rules"]) > self.most_rules_per_group:
            limit = self.most_rules_per_group
            return (
                f"per-user rules per rule group limit (limit: {limit} actual: {len(group['rules'])}) exceeded"
            )
        known = {(space, name) for space, groups in self.stored.items() for name in groups}
        if len(known | {(namespace, group["name"])}) > self.most_groups:
            return f"per-user rule groups limit (limit: {self.most_groups}) exceeded"
        for rule in group["rules"]:
            try:
                normalised(rule["expr"])
                parse_prometheus_duration(rule.get("for", "1s"))
            except (ValueError, KeyError) as error:
                return f"could not parse expression: {error}"
        return None

    def _delete(self, namespace: str, group: str) -> Answer:
        if self.stored.get(namespace, {}).pop(group, None) is None:
            return Answer(404, "group does not exist\n")
        self._polls = 0
        return Answer(202, {"status": "success", "data": None, "errorType": "", "error": ""})

    def _list_loaded(self) -> Answer:
        self._polls += 1
        if self._polls > self.polls_until_listed:
            self.listed = {name: dict(groups) for name, groups in self.stored.items()}
        groups = [
            listed(group, namespace, self.health)
            for namespace, by in self.listed.items()
            for group in by.values()
        ]
        return Answer(200, {"status": "success", "data": {"groups": groups}})


class RuleWorld:
    """Backends of an environment, with the extra of its Prometheus connection."""

    def __init__(
        self, server: Any, extra: RuleExtra, *, metrics: Any = None, promtool: Path | None = None
    ) -> None:
        self.server = server
        self.extra = extra
        self.queries = metrics or Queries()
        self._promtool = promtool

    def prometheus(self) -> Any:
        return self.server

    def metrics(self, *_: object) -> Any:
        return self.queries

    def rule_extra(self) -> RuleExtra:
        return self.extra

    def rules_directory(self) -> Path | None:
        return self.extra.directory

    def ruler(self, conn_id: str) -> Any:
        if conn_id != "mimir_ruler":
            raise NotConfiguredError(conn_id, "alert rules")
        return self.server

    def promtool(self) -> Path:
        if self._promtool is None:
            raise ToolMissingError("promtool", "RELEASE_WATCH_PROMTOOL")
        return self._promtool


def listed(group: dict[str, Any], file: str, health: str) -> dict[str, Any]:
    """Return a group as ``/api/v1/rules`` lists it."""
    rules = [
        {
            "type": "alerting" if "alert" in rule else "recording",
            "name": rule.get("alert") or rule["record"],
            "query": normalised(rule["expr"]),
            "duration": parse_prometheus_duration(rule["for"]).total_seconds() if "for" in rule else 0,
            "keepFiringFor": parse_prometheus_duration(rule.get("keep_firing_for", "0")).total_seconds(),
            "labels": rule.get("labels", {}),
            "annotations": rule.get("annotations", {}),
            "health": health,
        }
        for rule in group["rules"]
    ]
    pace = parse_prometheus_duration(group.get("interval", "1m")).total_seconds()
    return {"name": group["name"], "file": file, "interval": pace, "rules": rules}


def as_sent(body: Any) -> str:
    """Return a JSON body as it goes over the wire; a YAML reader such as Go's takes no surrogates."""
    text = json.dumps(body)
    assert "\\ud8" not in text.lower(), "found invalid Unicode character escape code"
    return text
