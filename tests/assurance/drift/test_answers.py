"""An answer that nobody can read is told as such, and hides nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from release_watch.assurance.drift.alertmanager import read_alertmanager
from release_watch.assurance.drift.scraping_config import read_scraping
from release_watch.errors import BackendError
from release_watch.transport import Answer
from tests.assurance.fakes import FakeServer


@pytest.mark.parametrize(
    "configuration",
    [
        "route: {receiver: a}\nreceivers: [{slack_configs: []}]",
        "route: {receiver: a, routes: [null]}",
        "route: {receiver: a}\ninhibit_rules: [null]",
    ],
    ids=["receiver without a name", "no route", "no inhibition"],
)
def test_a_configuration_of_alertmanager_in_another_form_is_told(configuration):
    server = FakeServer(
        {
            "/api/v2/status": Answer(200, {"config": {"original": configuration}}),
            "/api/v2/silences": Answer(200, []),
        }
    )
    with pytest.raises(BackendError, match="its configuration has an unexpected form"):
        read_alertmanager(server, Path("amtool"))


def test_a_configuration_of_prometheus_that_is_no_yaml_is_told():
    server = FakeServer({"/api/v1/status/config": Answer(200, {"data": {"yaml": "global: [a\n b: {"}})})
    with pytest.raises(BackendError, match="its configuration has an unexpected form"):
        read_scraping(server)


ROUTES = """
route:
  receiver: all
  routes: [{receiver: team, matchers: ['"my-team"="shop"']}]
receivers: [{name: all}, {name: team}]
"""


def test_labels_of_any_name_decide_the_route(tmp_path):
    asked = tmp_path / "asked"
    amtool = tmp_path / "amtool"
    amtool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {asked}\n')
    amtool.chmod(0o755)
    server = FakeServer(
        {
            "/api/v2/status": Answer(200, {"config": {"original": ROUTES}}),
            "/api/v2/silences": Answer(200, []),
        }
    )
    live = read_alertmanager(server, amtool)
    live.fate({"alertname": "Errors", "my-team": "shop"})
    live.fate({"alertname": "Errors", "my-team": "pay"})
    told = [line for line in asked.read_text().splitlines() if line.startswith("my-team=")]
    assert told == [f"my-team={json.dumps(team)}" for team in ("shop", "pay")]
