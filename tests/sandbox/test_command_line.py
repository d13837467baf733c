"""The commands say what is, and refuse what cannot work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox import stack
from sandbox.__main__ import main
from sandbox.endpoints import add_endpoints, read_endpoints, write_endpoints
from sandbox.errors import SandboxError
from sandbox.layout import Layout


def test_status_of_a_sandbox_that_is_not_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--root", str(tmp_path), "status"]) == 1
    assert "python -m sandbox up" in capsys.readouterr().out


def test_status_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--root", str(tmp_path), "status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"up": False, "servers": []}


def test_down_of_a_sandbox_that_is_not_up_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--root", str(tmp_path), "down"]) == 0
    assert "not up" in capsys.readouterr().out


def test_a_token_without_an_airflow_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--root", str(tmp_path), "up", "--receiver-token-file", "token"]) == 1
    assert "--airflow-url" in capsys.readouterr().err
    assert not (tmp_path / ".sandbox").exists()


def test_an_airflow_url_must_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(["--root", str(tmp_path), "up", "--airflow-url", "localhost:8080"])
    assert caught.value.code == 2
    assert "http://" in capsys.readouterr().err


def test_two_commands_at_the_same_time_do_not_mix(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    layout = Layout.at(tmp_path)
    layout.make()
    with stack.exclusive(layout):
        assert main(["--root", str(tmp_path), "down"]) == 1
    assert "Wait for it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "with_airflow", "started"),
    [
        pytest.param(None, False, set(stack.SERVERS), id="everything"),
        pytest.param(None, True, set(stack.SERVERS) - {"receiver"}, id="airflow-takes-the-receipts"),
        pytest.param(
            {"alertmanager"}, False, {"alertmanager", "receiver"}, id="alertmanager-needs-a-receiver"
        ),
        pytest.param({"prometheus"}, False, {"prometheus"}, id="only-one"),
        pytest.param({"receiver", "alertmanager"}, True, {"alertmanager", "receiver"}, id="both-if-asked"),
    ],
)
def test_which_servers_are_started(asked: set[str] | None, with_airflow: bool, started: set[str]):
    assert set(stack.select(asked, with_airflow=with_airflow)) == started


def test_an_unknown_server_is_refused_with_the_known_ones():
    with pytest.raises(SandboxError, match=r"grafana.*alertmanager"):
        stack.select({"grafana"}, with_airflow=False)


def test_endpoints_are_added_to_what_is_there(tmp_path: Path):
    layout = Layout.at(tmp_path)
    layout.make()
    write_endpoints(layout, {"prometheus": "http://127.0.0.1:1"})
    add_endpoints(tmp_path, {"shop": {"checkout": "http://127.0.0.1:2"}})
    add_endpoints(tmp_path, {"orchestrator": "http://127.0.0.1:3"})
    assert read_endpoints(tmp_path) == {
        "prometheus": "http://127.0.0.1:1",
        "shop": {"checkout": "http://127.0.0.1:2"},
        "orchestrator": "http://127.0.0.1:3",
    }


def test_endpoints_of_a_sandbox_that_is_not_up_are_refused(tmp_path: Path):
    with pytest.raises(SandboxError, match="python -m sandbox up"):
        add_endpoints(tmp_path, {"orchestrator": "http://127.0.0.1:3"})
