from __future__ import annotations

import json
from pathlib import Path

import pytest

from release_watch.catalog.__main__ import main


def test_a_sound_folder_is_shown_as_a_table_and_exits_0(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(folder)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["service", "tier", "owner", "metrics", "logs", "traces", "synthetics", "SLOs"]
    assert lines[2].split() == ["checkout", "critical", "team-orders", "yes", "yes", "yes", "yes", "2"]
    assert lines[-1] == f"{folder}: 4 services, 8 SLOs, no problem"


def test_warnings_are_printed_apart_and_exit_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "services.yaml"
    path.write_text(path.read_text().replace("      traces: { service_name: checkout }\n", ""))

    assert main(["check", str(folder)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["checkout", "critical", "team-orders", "yes", "yes", "-", "yes", "2"]
    assert lines[-2].startswith("warning: services.yaml:")
    assert lines[-1] == f"{folder}: 4 services, 8 SLOs, no problem, 1 warnings"


def test_problems_are_printed_one_a_line_and_exit_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "policies.yaml").unlink()

    assert main(["check", str(folder)]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("policies.yaml:1: file: missing: create it")
    assert lines[-1] == f"1 problems in {folder}"


def test_json_says_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder), "--json"]) == 0

    content = json.loads(capsys.readouterr().out)
    assert content["problems"] == content["warnings"] == []
    assert content["table"][0] == {
        "service": "storefront",
        "tier": "critical",
        "owner": "team-shop-window",
        "signals": ["metrics", "logs", "traces", "synthetics"],
        "slos": 2,
    }
    assert "checkout" in content["services"]
    assert "checkout/checkout-latency" in content["slos"]


@pytest.mark.parametrize("arguments", [["chek"], [], ["check", "a", "b"], ["import-backstage"]])
def test_a_wrong_use_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "import-backstage"])
def test_help_says_what_a_command_does_and_how_it_exits(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])

    assert caught.value.code == 0
    assert "2 for a wrong use" in " ".join(capsys.readouterr().out.split())
