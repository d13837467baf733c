from __future__ import annotations

import json
from pathlib import Path

import pytest

from release_watch.catalog.__main__ import main


def test_a_sound_folder_is_counted_and_exits_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder)]) == 0

    assert capsys.readouterr().out == f"{folder}: 4 services, 8 SLOs, no problem\n"


def test_problems_are_printed_one_a_line_and_exit_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "policies.yaml").unlink()

    assert main(["check", str(folder)]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("policies.yaml:1: file: missing: create it")
    assert lines[-1] == f"1 problems in {folder}"


def test_json_says_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder), "--json"]) == 0

    content = json.loads(capsys.readouterr().out)
    assert content["problems"] == []
    assert "checkout" in content["services"]
    assert "checkout/checkout-latency" in content["slos"]


def test_a_wrong_use_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["chek"])

    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err
