"""The command ``quality``: what it asks, what it prints, and how it ends."""

from __future__ import annotations

import argparse
import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from release_watch.assurance.quality import command
from release_watch.errors import BackendError, InvalidInputError
from release_watch.transport import Answer
from tests.assurance.fakes import FakeBackends, FakeServer
from tests.assurance.quality.recorded import Alert, RecordedMetrics
from tests.assurance.quality.samples import START, at

UNTIL = ["--until", (START + timedelta(days=1)).isoformat(), "--since", "P1D"]
LABELS = {"alertname": "Errors", "service": "checkout", "severity": "page"}
ALWAYS = [at(minute).timestamp() for minute in range(24 * 60)]


def errors(*minutes: float) -> Alert:
    fired = [at(minute).timestamp() for minute in minutes]
    return Alert(LABELS, fired, fired[:1] * len(fired))


def sources(*alerts: Alert, **servers: FakeServer):
    return FakeBackends(RecordedMetrics(alerts, ALWAYS), **servers)


def run(found: Any, *arguments: str) -> bool:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([*UNTIL, *arguments]), lambda _: SimpleNamespace(backends=found))


@pytest.fixture
def incidents(tmp_path: Path) -> str:
    file = tmp_path / "incidents.csv"
    rows = ("id,service,opened_at,closed_at,began_at", f"9,checkout,{at(105)},{at(200)},{at(98)}")
    file.write_text("\n".join(rows))
    return str(file)


def test_it_prints_numbers_with_the_queries_and_rules_behind_them(incidents, capsys):
    assert run(sources(errors(100, 101, 102)), "--incidents", incidents)
    printed = capsys.readouterr().out
    for part in (
        "precision   100% (1 of 1; 95 % interval",
        "recall      100% (1 of 1;",
        "detection   2 min (median of 1;",
        "checkout Errors (page): 1 firings",
        'firing: timestamp(ALERTS{alertstate="firing",drill="",service=~"',
        "incidents from incidents.csv (SHA-256 ",
        "silences: not known: No Airflow connection 'alertmanager_default'",
        "rule: drills do not count",
    ):
        assert part in printed


def test_json_is_the_whole_report(incidents, capsys):
    assert run(sources(errors(100, 101)), "--incidents", incidents, "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["reviewed"], found["tally"]["true_positives"], found["notes"]) == (True, 1, [])


def test_without_a_tracker_and_a_file_nothing_is_reviewed_and_it_says_so(capsys):
    assert not run(sources(errors(100)))
    printed = capsys.readouterr().out
    assert "INCONCLUSIVE" in printed
    assert "No Airflow connection 'tickets_default'" in printed
    assert "precision   unknown" in printed


def test_a_row_takes_the_place_of_the_ticket_with_its_id(incidents, capsys):
    entry = {
        "id": "9",
        "title": "checkout is down",
        "creation": at(105).strftime("%Y-%m-%d.%H:%M:%S"),
        "activity": at(200).strftime("%Y-%m-%d.%H:%M:%S"),
        "status": {"name": "resolved"},
    }
    tracker = FakeServer({"/rest/data/issue": Answer(200, {"data": {"collection": [entry]}})})
    assert run(sources(errors(100, 101), tickets=tracker), "--incidents", incidents, "--json")
    found = json.loads(capsys.readouterr().out)
    assert [one["detection_seconds"] for one in found["incidents"]] == [120]
    assert found["incident_source"].startswith("roundup at http://server and incidents.csv")


def test_a_tracker_that_does_not_answer_is_an_error_also_with_a_file(incidents):
    tracker = FakeServer({"/rest/data/issue": BackendError("Roundup", "did not answer")})
    with pytest.raises(BackendError, match="did not answer"):
        run(sources(tickets=tracker), "--incidents", incidents)


def test_hours_in_which_nothing_was_evaluated_are_noted(incidents, capsys):
    blind = FakeBackends(RecordedMetrics([errors(100)], ALWAYS[:600]))
    assert run(blind, "--incidents", incidents)
    assert "WARN" in (printed := capsys.readouterr().out)
    assert "NOTE: in 14 of 24 hours the dead man's switch did not fire" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--environment", "nowhere"], "--environment: 'nowhere' is not in the catalogue"),
        (["--services", "chekout"], "'chekout' is not in the catalogue; did you mean 'checkout'"),
        (["--incidents", "/nowhere.csv"], "nowhere.csv: cannot be read"),
        (["--prometheus", "http://[bad"], "--prometheus: 'http://[bad' is no address"),
    ],
    ids=["environment", "service", "file", "address"],
)
def test_a_wrong_use_is_told(arguments, said):
    with pytest.raises(InvalidInputError) as refused:
        run(sources(), *arguments)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--since", "30d"],
        ["--since", "P91D"],
        ["--until", "2026-11-01"],
        ["--until", "0001-01-01T00:00:00Z"],
        ["--until", "9999-12-31T23:59:59Z"],
    ],
    ids=["no", "long", "naive", "zero time", "end of time"],
)
def test_times_that_cannot_be_are_refused(arguments):
    with pytest.raises(SystemExit):
        run(sources(), *arguments)
