"""``python -m release_watch.assurance tune``: what is replayed, printed and kept, and how it ends."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from release_watch.artifacts.store import ArtifactStore
from release_watch.assurance import __main__ as assurance
from release_watch.assurance.drift.command import Connected
from release_watch.assurance.registry import ActiveReleases
from release_watch.assurance.tuning import choosing, command
from release_watch.assurance.tuning.proposal import read_proposal
from release_watch.catalog.config import Config, load_config
from release_watch.errors import BackendError
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from tests.assurance.fakes import NOW, FakeBackends, release
from tests.assurance.tuning.past import PastMetrics, at

DAY = 24 * 60
TROUBLE = range(600, 640)
VALUES = [9.0 if minute in TROUBLE or minute % 97 == 0 else 1.0 for minute in range(2 * DAY)]
"""Something small every hour and a half, and trouble once."""


def alert(name: str = "Errors", service: str = "checkout", expr: str = "errors > 5", **labels: str) -> Rule:
    return Rule(alert=name, expr=expr, labels={"service": service, "severity": "ticket", **labels})


def rules(*alerts: Rule) -> str:
    return to_yaml([RuleGroup(name="g", interval="1m", rules=alerts)])


def every_incident_has_its_ticket() -> Config:
    config = load_config()
    quality = config.policies.alert_quality.model_copy(update={"review": "tracker"})
    policies = config.policies.model_copy(update={"alert_quality": quality})
    return config.model_copy(update={"policies": policies})


class World:
    """Releases under watch, what their alerts measured, and the incidents of the time."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.metrics = folder / "root", PastMetrics({"errors": VALUES})
        self.out = folder / "out"
        self.incidents = folder / "incidents.csv"
        self.write_incidents(f"9,checkout,{at(605).isoformat()},{at(640).isoformat()}")
        monkeypatch.delenv("RELEASE_WATCH_CONFIG", raising=False)
        monkeypatch.setattr(command, "load_config", every_incident_has_its_ticket)
        monkeypatch.setattr(command, "now", lambda: at(2 * DAY))
        monkeypatch.setattr(assurance, "connected", lambda _: Connected(self.backends(), self.root))

    def backends(self) -> Any:
        return FakeBackends(self.metrics)  # type: ignore[arg-type]

    def write_incidents(self, *rows: str) -> None:
        self.incidents.write_text("\n".join(["id,service,opened_at,closed_at", *rows]))

    def register(self, name: str, texts: Mapping[str, str], *services: str, days_ago: float = 1) -> None:
        registry = ActiveReleases(self.root)
        made = release(name, *services, days_ago=days_ago)
        registry.register(made, artifacts_uri="file:///a", rules=texts, at=NOW)

    def run(self, *arguments: str, incidents: bool = True) -> int:
        told = ["--incidents", str(self.incidents)] if incidents else []
        return assurance.main(["tune", "--environment", "production", "--since", "P2D", *told, *arguments])

    def stored(self, release_id: str) -> list[str]:
        return ArtifactStore(self.root, "production", release_id).names("tuning/")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


@pytest.fixture
def shop(world: World) -> World:
    world.register("rel-1", {"production-rel-1": rules(alert())}, "checkout")
    return world


def json_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out))


def titles(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(one["alert"], one["release_id"]) for one in found["tests"]]


def test_before_and_after_and_the_diff_are_printed_and_what_to_do_with_it(
    shop: World, capsys: pytest.CaptureFixture[str]
):
    assert shop.run("--alert", "Errors") == 0
    said = capsys.readouterr()
    for part in (
        "production, 2026-11-01T00:00:00.000Z to ",
        "incidents from incidents.csv (SHA-256 ",
        "Errors of checkout, ticket, release rel-1: Only ",
        "  as it is in force",
        "  for: none to 1 min",
        "PROPOSED",
        "  proposed: for: none to 1 min: 29 false firings become 0",
        "    +    for: 1m",
        "First give --store, so that the DAG finds them.",
    ):
        assert part in said.out
    (conf,) = re.findall(r"airflow dags trigger alert_tuning --conf '(.*)'", said.out)
    assert json.loads(conf).keys() == {"environment", "release_id", "proposal_id"}
    assert said.err.splitlines() == [
        "reading alerts and incidents of checkout over 2 d",
        "1 of 1: Errors of checkout: replaying",
        said.err.splitlines()[2],
    ]
    assert said.err.splitlines()[2].startswith("1 of 1: Errors of checkout: for: none to 1 min (")
    assert not shop.out.exists()
    assert shop.stored("rel-1") == []


def test_on_a_terminal_the_changes_are_counted_in_one_line(
    shop: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert shop.run("--alert", "Errors") == 0
    _, second, third, _ = capsys.readouterr().err.split("\n")
    assert second == f"{command.CLEARED}1 of 1: Errors of checkout: replaying"
    counted = third.split(command.CLEARED)
    assert counted[1] == "1 of 1: Errors of checkout: 0 of 16 changes"
    assert counted[16] == "1 of 1: Errors of checkout: 15 of 16 changes"
    assert counted[17].startswith("1 of 1: Errors of checkout: for: none to 1 min (16 changes, ")


def test_json_holds_the_document_that_a_person_approves(shop: World, capsys: pytest.CaptureFixture[str]):
    assert shop.run("--alert", "Errors", "--json") == 0
    found = json_of(capsys)
    (one,) = found["tests"]
    proposal = read_proposal(json.dumps(one["proposal"]).encode())
    assert (proposal.digest, proposal.alert) == (one["sha256"], "Errors")
    assert {trial["kind"] for trial in one["trials"]} >= {"for", "keep_firing_for", "threshold"}
    assert any(trial["refused"] for trial in one["trials"])
    assert found["to_do"] == [
        {"environment": "production", "release_id": "rel-1", "proposal_id": proposal.proposal_id}
    ]


def test_the_report_lies_with_its_pictures_and_proposals(shop: World, capsys: pytest.CaptureFixture[str]):
    assert shop.run("--alert", "Errors", "--out", str(shop.out)) == 0
    report = (shop.out / "alert-tuning-report.md").read_text()
    (picture,) = re.findall(r"!\[.*\]\((.*)\)", report)
    assert (shop.out / picture).read_bytes().startswith(b"\x89PNG")
    (file,) = shop.out.glob("tuning/tune-*.json")
    proposal = read_proposal(file.read_bytes())
    assert file.name == f"{proposal.proposal_id}.json"
    assert hashlib.sha256(file.read_bytes()).hexdigest() in report
    assert len([path for path in shop.out.rglob("*") if path.is_file()]) == 3, "no half-written file is left"
    assert f"are in {shop.out}." in capsys.readouterr().out


def test_each_proposal_is_stored_with_the_release_that_answers_for_the_rule(world: World):
    world.write_incidents(
        f"1,checkout,{at(605).isoformat()},{at(640).isoformat()}",
        f"2,payments,{at(605).isoformat()},{at(640).isoformat()}",
    )
    both = rules(alert("Old"), alert("Old", "payments"))
    world.register("rel-1", {"r1": both}, "checkout", "payments", days_ago=9)
    world.register("rel-2", {"r2": rules(alert("New"))}, "checkout", days_ago=1)
    assert world.run("--service", "checkout", "payments", "--store") == 0
    for name, titled in (("rel-1", ("Old", "payments")), ("rel-2", ("New", "checkout"))):
        (document,) = [one for one in world.stored(name) if one.endswith(".json")]
        found = read_proposal(ArtifactStore(world.root, "production", name).read_bytes(document))
        assert (found.alert, found.service) == titled
        assert document == f"tuning/{found.proposal_id}.json"
        assert len(world.stored(name)) == 2, "and its picture"


def test_by_itself_it_takes_those_of_a_service_with_an_incident_that_none_saw(
    world: World, capsys: pytest.CaptureFixture[str]
):
    drill = alert("Drill", drill="true")
    texts = {"a": rules(alert(), alert("Calm", "payments")), "b": rules(alert("Other"), drill)}
    world.register("rel-1", texts, "checkout", "payments")
    assert world.run("--json") == 0
    assert titles(json_of(capsys)) == [("Errors", "rel-1"), ("Other", "rel-1")]


def test_nothing_worth_it_is_said(shop: World, capsys: pytest.CaptureFixture[str]):
    shop.write_incidents()
    assert shop.run() == 0
    assert "No alert is worth a back-test" in capsys.readouterr().out


def test_what_is_named_is_tried_also_if_it_is_neither_noisy_nor_blind(
    shop: World, capsys: pytest.CaptureFixture[str]
):
    shop.metrics = PastMetrics({"errors": [9.0 if minute in TROUBLE else 1.0 for minute in range(2 * DAY)]})
    assert shop.run("--alert", "Errors") == 0
    out = capsys.readouterr().out
    assert "Neither noisy nor blind; changes were tried as it was asked for" in out
    assert "Nothing is proposed; the table says why each change was refused." in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--alert", "Errors"], [("Errors", "checkout"), ("Errors", "payments")]),
        (["--service", "payments"], [("Errors", "payments"), ("Slow", "payments")]),
        (["--service", "payments", "--alert", "Slow"], [("Slow", "payments")]),
        (
            ["--service", "payments", "--alert", "Slow", "--alert", "Errors"],
            [("Errors", "payments"), ("Slow", "payments")],
        ),
    ],
    ids=["alert", "service", "both", "again and again"],
)
def test_alerts_and_services_that_are_named_are_taken(
    world: World, capsys: pytest.CaptureFixture[str], arguments: Sequence[str], expected: list[Any]
):
    text = rules(alert(), alert(service="payments"), alert("Slow", "payments"))
    world.register("rel-1", {"a": text}, "checkout", "payments")
    assert world.run(*arguments, "--json") == 0
    assert [(one["alert"], one["service"]) for one in json_of(capsys)["tests"]] == expected


def test_an_alert_of_another_service_is_told_apart_from_one_that_is_not_there(
    world: World, capsys: pytest.CaptureFixture[str]
):
    text = rules(alert(), alert("Slow", "payments"))
    world.register("rel-1", {"a": text}, "checkout", "payments")
    assert world.run("--service", "checkout", "--alert", "Slow", "Fast") == 2
    assert capsys.readouterr().err.splitlines() == [
        "--alert: 'Slow' is no alert of checkout; known are Errors",
        "--alert: 'Fast' is no alert in force; known are Errors, Slow",
    ]


def test_one_that_cannot_be_replayed_hides_no_other_and_is_no_success(
    world: World, capsys: pytest.CaptureFixture[str]
):
    world.register("rel-1", {"a": rules(alert("Broken", expr="errors >"), alert())}, "checkout")
    assert world.run("--service", "checkout", "--json") == 1
    found = json_of(capsys)
    assert titles(found) == [("Errors", "rel-1")]
    (problem,) = found["problems"]
    assert problem.startswith("Broken of checkout: the expression cannot be replayed")


def test_more_than_enough_are_counted(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(command, "MOST", 2)
    world.register("rel-1", {"a": rules(*(alert(f"A{n}") for n in range(3)))}, "checkout")
    assert world.run() == 1
    assert "NOT REPLAYED: 1 more alerts; at most 2 are, unless" in capsys.readouterr().out
    assert world.run("--service", "checkout") == 0


def test_a_run_that_is_broken_off_keeps_what_it_has(world: World, monkeypatch: pytest.MonkeyPatch):
    world.register("rel-1", {"a": rules(alert("One"), alert("Two"))}, "checkout")
    whole = choosing.back_test

    def broken_off(rule: Rule, *given: Any, **more: Any) -> Any:
        if rule.name == "Two":
            raise KeyboardInterrupt
        return whole(rule, *given, **more)

    monkeypatch.setattr(choosing, "back_test", broken_off)
    with pytest.raises(KeyboardInterrupt):
        world.run("--service", "checkout", "--store", "--out", str(world.out))
    assert len(world.stored("rel-1")) == len(list(world.out.rglob("*.*"))) == 2


def test_everything_that_is_wrong_is_said_at_once(shop: World, capsys: pytest.CaptureFixture[str]):
    shop.write_incidents("1,nowhere,yesterday,")
    file = shop.root.parent / "a-file"
    file.write_text("")
    wrong = ["--service", "chekout", "--alert", "Erors", "--since", "30d", "--until", "2026-11-01"]
    assert shop.run(*wrong, "--out", str(file)) == 2
    said = capsys.readouterr().err
    for words in (
        "--since: '30d' is not an ISO 8601 duration such as P30D",
        "--until: '2026-11-01' has no offset",
        "--service: 'chekout' is not in the catalogue; did you mean 'checkout'?",
        "--alert: 'Erors' is no alert in force; did you mean 'Errors'? known are Errors",
        f"--out: {file} is no folder",
        "--incidents: incidents.csv:2: column opened_at",
    ):
        assert words in said
    assert shop.metrics.queries == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--environment", "mars"], "--environment: 'mars' is not in the catalogue; known are production"),
        (["--since", "P0D"], "--since: 'P0D' is not between nothing and P3650D"),
        (["--since", "P4000D"], "--since: 'P4000D' is not between"),
        (["--until", "soon"], "--until: 'soon' is no ISO 8601 time"),
        (["--until", "2999-01-01T00:00Z"], "--until: '2999-01-01T00:00Z' is not over yet"),
        (["--service", "payments"], "--service: 'payments' is under watch by no release in production"),
        (["--incidents", "/nowhere.csv"], "--incidents: nowhere.csv: cannot be read"),
    ],
    ids=["environment", "nothing", "too long", "no time", "future", "not watched", "no file"],
)
def test_a_wrong_option_is_named_with_its_value(
    shop: World, capsys: pytest.CaptureFixture[str], arguments: Sequence[str], words: str
):
    assert shop.run(*arguments) == 2
    assert words in capsys.readouterr().err


def test_without_incidents_nothing_is_judged(shop: World, capsys: pytest.CaptureFixture[str]):
    assert shop.run(incidents=False) == 2
    said = capsys.readouterr().err
    assert "--incidents: name a file" in said
    assert "'tickets_default'" in said


def test_a_server_that_is_away_is_no_result(
    shop: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def away(*_: object) -> None:
        raise BackendError("Prometheus", "did not answer")

    monkeypatch.setattr(shop.metrics, "range", away)
    assert shop.run() == 2
    assert "Prometheus: did not answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (None, "no release is under watch"),
        ({}, "the releases under watch have no alerts"),
        ({"a": "groups: 3"}, "release rel-1: rule set a: rule file: has no list 'groups'"),
    ],
    ids=["no release", "no alerts", "damaged"],
)
def test_where_there_is_nothing_in_force_it_says_so(
    world: World, capsys: pytest.CaptureFixture[str], texts: Mapping[str, str] | None, words: str
):
    if texts is not None:
        world.register("rel-1", texts, "checkout")
    assert world.run() == 2
    assert words in capsys.readouterr().err


def test_what_rules_say_cannot_move_the_cursor(world: World, capsys: pytest.CaptureFixture[str]):
    nasty = alert().model_copy(update={"annotations": {"summary": "\x1b[2Jgone\u202e"}})
    world.register("rel-1", {"a": rules(nasty)}, "checkout")
    assert world.run("--alert", "Errors") == 0
    said = capsys.readouterr()
    assert not re.search("[\x1b\u202e]", said.out + said.err)
