"""A small model of Prometheus, Alertmanager and a receiver in virtual time, each breakable by a switch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from release_watch.drills.receipts import Receipts
from release_watch.errors import BackendError
from release_watch.release import Release
from release_watch.transport import Answer

START = datetime(2026, 11, 22, 3, tzinfo=UTC)
CONFIGURATION = """
route: {receiver: oncall}
receivers:
  - name: oncall
    webhook_configs: [{url: "https://user:pass@127.0.0.1:9/secret-path"}]
  - name: second
    email_configs: [{to: somebody@example.com}]
"""
RELEASE = Release(
    deployment_id="d-1",
    release_id="r-1",
    version="1.1.0",
    environment="production",
    services=("checkout",),
    deployed_at=datetime(2026, 1, 5, tzinfo=UTC),
    evidence_uri="file:///evidence",
)
METRICS = """
prometheus_notifications_dropped_total 0
prometheus_notifications_errors_total{{a="b"}} 3
prometheus_config_last_reload_success_timestamp_seconds {reloaded}
"""
FAILING = frozenset({"dead receiver", "refused", "refusing old", "failing"})
WINDOW = re.compile(r"vector\(time\(\)\) >= ([\d.]+) < ([\d.]+)")


class World:
    """``broken`` holds the switches that are on; see the tests for their names."""

    def __init__(self, folder: Path, broken: frozenset[str] = frozenset()) -> None:
        self.rules = folder / "rules"
        self.rules.mkdir()
        self.receipts = Receipts.under(folder / "artifacts")
        self.broken = broken
        self.time = START
        self.reloads = 0
        self.running: dict[str, dict[str, Any]] = {}
        self.held: dict[str, dict[str, Any]] = {}
        self.posted: dict[str, dict[str, Any]] = {}
        self.reached = ("oncall",)
        self.prometheus_configuration: dict[str, Any] = {"global": {}}
        self.reloaded_ago = 3600.0
        self.attempts = 0

    def clock(self) -> datetime:
        return self.time

    def pause(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.step()

    def step(self) -> None:
        """Evaluate the rules, send, route and notify once."""
        for drill_id, alert in list(self.posted.items()):
            if self.ends(alert):
                del self.posted[drill_id]
                self.resolve(drill_id)
            else:
                self.notify(drill_id, "firing")
        for drill_id, rule in self.running.items():
            if self.fires(rule) and "no alertmanager" not in self.broken:
                self.hold(drill_id, rule)
                self.notify(drill_id, "firing")
            elif drill_id in self.held and not self.fires(rule):
                self.resolve(drill_id)

    def fires(self, rule: Mapping[str, Any]) -> bool:
        match = WINDOW.fullmatch(rule["expr"])
        assert match is not None
        return float(match[1]) <= self.time.timestamp() < float(match[2]) and "late" not in self.broken

    def ends(self, alert: Mapping[str, Any]) -> bool:
        return datetime.fromisoformat(alert["endsAt"]) <= self.time

    def take(self, alert: dict[str, Any]) -> None:
        """Hold an alert that was posted; one that is held already is posted to end it."""
        drill_id = alert["labels"]["drill_id"]
        alert = {"startsAt": alert["endsAt"], **alert}  # as Alertmanager has it
        if alert["endsAt"] < self.held.get(drill_id, alert)["startsAt"]:
            raise BackendError("Alertmanager", "start time must be before end time", status=400)
        if drill_id not in self.held:
            self.posted[drill_id] = alert
            self.hold(drill_id, {**alert, "alert": alert["labels"]["alertname"]})
        elif self.posted.pop(drill_id, None) is not None:
            self.resolve(drill_id)
        else:
            del self.held[drill_id]

    def hold(self, drill_id: str, rule: Mapping[str, Any]) -> None:
        silenced = ["s-1"] if "silenced" in self.broken else []
        inhibited = ["f-other"] if "inhibited" in self.broken else []
        self.held[drill_id] = {
            "fingerprint": f"f-{drill_id}",
            "labels": {**rule["labels"], "alertname": rule["alert"]},
            "annotations": rule["annotations"],
            "startsAt": rule.get("startsAt", "2026-11-22T03:00:00.000Z"),
            "receivers": [
                {"name": name} for name in (["tickets"] if "elsewhere" in self.broken else self.reached)
            ],
            "status": {
                "state": "suppressed" if silenced or inhibited else "active",
                "silencedBy": silenced,
                "inhibitedBy": inhibited,
            },
        }

    def notify(self, drill_id: str, status: str) -> None:
        alert = self.held[drill_id]
        if alert["status"]["state"] == "suppressed" or "group wait" in self.broken:
            return
        self.attempts += 1
        lost = {*FAILING, "no receipt"} | ({"no resolve notice"} if status == "resolved" else set())
        if self.broken & lost:
            return
        for number, receiver in enumerate(alert["receivers"]):
            if receiver["name"] == "second" and "second is deaf" in self.broken:
                continue
            notice = {"receiver": receiver["name"], "alerts": [{**alert, "status": status}]}
            self.receipts.record(notice, self.time + timedelta(seconds=number))

    def resolve(self, drill_id: str) -> None:
        self.notify(drill_id, "resolved")
        del self.held[drill_id]

    def reload(self) -> None:
        self.reloads += 1
        if "not loaded" in self.broken:
            return
        self.running = {
            rule["labels"]["drill_id"]: rule
            for file in self.rules.glob("*.yaml")
            for group in yaml.safe_load(file.read_text())["groups"]
            for rule in group["rules"]
        }

    # --- the Backends protocol, as far as drills use it

    def prometheus(self) -> Server:
        return Server("http://prometheus", lambda path, *_: self.answer_prometheus(path))

    def alertmanager(self) -> Server:
        return Server("http://alertmanager", self.answer_alertmanager)

    def rules_directory(self) -> Path:
        return self.rules

    def amtool(self) -> Path:
        return Path("amtool")

    def answer_prometheus(self, path: str) -> Any:
        if path == "/-/reload":
            return self.reload()
        if path == "/metrics":
            return METRICS.format(reloaded=(self.time - timedelta(seconds=self.reloaded_ago)).timestamp())
        rules = self.running.values()
        data = {
            "/api/v1/query": {"resultType": "scalar", "result": [0, str(self.time.timestamp())]},
            "/api/v1/alertmanagers": {
                "activeAlertmanagers": [] if "no alertmanager" in self.broken else [{"url": "http://am"}]
            },
            "/api/v1/status/config": {"yaml": yaml.safe_dump(self.prometheus_configuration)},
            "/api/v1/rules": {
                "groups": [{"name": "g", "file": "f", "rules": [loaded(rule) for rule in rules]}]
            },
            "/api/v1/alerts": {"alerts": [firing(rule) for rule in rules if self.fires(rule)]},
        }[path]
        return {"status": "success", "data": data}

    def answer_alertmanager(self, path: str, filters: Sequence[str], posted: Any) -> Any:
        if "alertmanager down" in self.broken and self.time > START:
            raise BackendError("Alertmanager", "connection refused")
        if path == "/metrics":
            return self.metrics()
        if path == "/api/v2/status":
            return {"config": {"original": CONFIGURATION}}
        if path.startswith("/api/v2/silence/"):
            return {"createdBy": "somebody", "comment": "maintenance", "endsAt": "2026-12-01T00:00:00Z"}
        if posted is not None:
            for alert in posted:
                self.take(alert)
            if "takes half" in self.broken and self.posted:
                raise BackendError("Alertmanager", "one is bad", status=400)
            if "loses alerts" in self.broken:
                self.held.clear()
                self.posted.clear()
            return None
        other = {**OTHER, "fingerprint": "f-other"}
        return [*self.held.values(), *([] if filters else [other])]

    def metrics(self) -> str:
        broken = self.broken & FAILING
        failed = self.attempts if broken else 0
        final = self.attempts if broken & {"refused", "refusing old"} else 0
        given_up = 1 if "pager fails" in self.broken and self.time > START else final
        reason = {"refused": ',reason="clientError"', "failing": ',reason="serverError"'}
        of = next((words for name, words in reason.items() if name in self.broken), "")
        if "failing" in self.broken:
            given_up = self.attempts // 10
        return (
            f'alertmanager_notification_requests_total{{integration="webhook"}} {self.attempts}\n'
            f'alertmanager_notification_requests_failed_total{{integration="webhook"}} {failed}\n'
            f'alertmanager_notifications_failed_total{{integration="webhook"{of}}} {given_up}\n'
        )


class Server:
    """A transport to one side of the world."""

    def __init__(self, base_url: str, answer: Any) -> None:
        self.base_url = base_url
        self._answer = answer

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        assert method == "POST" or json is None
        assert not headers
        return Answer(200, self._answer(path, (params or {}).get("filter", []), json))


OTHER = {
    "labels": {"alertname": "DatacentreDown", "site": "north"},
    "annotations": {},
    "startsAt": "2026-11-22T02:00:00Z",
    "receivers": [{"name": "oncall"}],
    "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
}


def loaded(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": rule["alert"],
        "type": "alerting",
        "query": rule["expr"],
        "labels": rule["labels"],
        "health": "ok",
    }


def firing(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {"labels": rule["labels"], "state": "firing", "activeAt": "2026-11-22T03:00:00Z", "value": "1"}
