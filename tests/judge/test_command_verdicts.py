"""``python -m release_watch.judge CASES --out VERDICTS``: what is written, printed, and returned."""

from __future__ import annotations

import csv
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from release_watch.catalog.policies import JudgePolicy
from release_watch.judge.cases import read
from release_watch.judge.command import judging, verdicts
from release_watch.judge.command.arguments import NOTHING_DONE, main
from release_watch.judge.command.judging import Judging
from release_watch.judge.command.parallel import each
from release_watch.judge.looks import judge_case

HEADER = "case,metric,role,time,value,direction,golden\n"
CHANGE = 1_772_445_600
COLUMNS = "case,look_minutes,verdict,score,metrics_judged,metrics_failed,reason"


def rows(case: str, after: float, *, samples: int = 30, seed: int = 1, metric: str = "latency") -> str:
    random = np.random.default_rng(seed)
    values = random.normal(10, 1, 60 + samples)
    values[60:] += after - 10
    return "".join(
        f"{case},{metric},{'before' if place < 60 else 'after'},{CHANGE + 60 * (place - 60)},{value},up,1\n"
        for place, value in enumerate(values)
    )


def file_of(folder: Path, *parts: str) -> Path:
    path = folder / "cases.csv"
    path.write_text(HEADER + "".join(parts))
    return path


def judged(folder: Path, *parts: str, options: tuple[str, ...] = ()) -> tuple[int, list[dict[str, str]]]:
    out = folder / "verdicts.csv"
    code = main([str(file_of(folder, *parts)), "--out", str(out), *options])
    with out.open(newline="") as file:
        return code, list(csv.DictReader(file))


def test_there_is_a_row_for_each_case_and_look_in_the_order_of_the_file(tmp_path: Path) -> None:
    code, found = judged(tmp_path, rows("z", 10), rows('"a, b"', 40), rows("m", 10, seed=2))

    assert code == 0
    assert ",".join(found[0]) == COLUMNS
    looks = ["5", "10", "15", "30", "60", "120"]
    assert [(row["case"], row["look_minutes"]) for row in found] == [
        (case, look) for case in ("z", "a, b", "m") for look in looks
    ]
    at_15 = {row["case"]: row for row in found if row["look_minutes"] == "15"}
    assert [at_15[case]["verdict"] for case in ("z", "a, b", "m")] == ["GO", "NO_GO", "GO"]
    assert float(at_15["a, b"]["score"]) >= 1 > float(at_15["z"]["score"])
    assert (at_15["a, b"]["metrics_judged"], at_15["a, b"]["metrics_failed"]) == ("1", "1")
    assert "latency: 40" in at_15["a, b"]["reason"]


def test_looks_are_those_that_are_asked_for_in_the_order_of_time(tmp_path: Path) -> None:
    _, found = judged(tmp_path, rows("a", 10), options=("--looks", "20,7.5,20"))

    assert [row["look_minutes"] for row in found] == ["7.5", "20"]


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(f"b,m,control,{CHANGE},1,,\n", id="control only"),
        pytest.param(f"b,m,after,{CHANGE},1,,\n", id="nothing before"),
        pytest.param(f"b,m,before,{CHANGE},1,,\n", id="nothing after"),
        pytest.param(f"b,m,before,{CHANGE},,,\nb,m,after,{CHANGE + 60},NaN,,\n", id="gaps only"),
    ],
)
def test_a_case_with_too_little_in_it_is_inconclusive_with_a_reason(tmp_path: Path, part: str) -> None:
    code, found = judged(tmp_path, part, rows("a", 10, samples=130))

    assert code == 0
    assert [(row["case"], row["verdict"]) for row in found] == [("b", "INCONCLUSIVE")] * 6 + [("a", "GO")] * 6
    assert all(row["reason"] for row in found)


def test_bad_rows_are_told_and_the_other_cases_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = judged(
        tmp_path, f"b,m,before,yesterday,1,,\nb,m,after,{CHANGE},1,,\n", rows("a", 10, samples=130)
    )

    assert code == 1
    problem = "cases.csv:2: time: 'yesterday' is no time: ISO 8601, or seconds since 1970"
    assert problem in capsys.readouterr().err.splitlines()
    assert {(row["verdict"], row["score"], row["reason"]) for row in found if row["case"] == "b"} == {
        ("INCONCLUSIVE", "0", f"not judged: {problem}")
    }
    assert [row["verdict"] for row in found if row["case"] == "a"] == ["GO"] * 6
    assert [row["case"] for row in found] == ["b"] * 6 + ["a"] * 6


def test_a_case_that_the_judge_stumbles_over_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stumbling(case: object, *rest: object) -> object:
        if case.name == "b":  # type: ignore[attr-defined]
            raise ZeroDivisionError("of nothing\nat all")
        return judge_case(case, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(judging, "judge_case", stumbling)
    code, found = judged(tmp_path, rows("b", 10), rows("a", 10), options=("--looks", "10"))

    assert code == 1
    assert [(row["case"], row["verdict"]) for row in found] == [("b", "INCONCLUSIVE"), ("a", "GO")]
    assert found[0]["reason"] == "not judged: ZeroDivisionError: of nothing at all"
    assert "case 'b': not judged: ZeroDivisionError" in capsys.readouterr().err


def test_verdicts_replace_those_of_before_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged(tmp_path, rows("a", 10))
    before = (tmp_path / "verdicts.csv").read_bytes()

    def breaking(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verdicts, "judged_in_order", breaking)
    with pytest.raises(KeyboardInterrupt):
        judged(tmp_path, rows("b", 10))
    assert (tmp_path / "verdicts.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.csv", "verdicts.csv"]


def test_csv_and_parquet_of_the_same_samples_give_the_same_verdicts(tmp_path: Path) -> None:
    file = file_of(tmp_path, rows("z", 10), rows("a", 13, seed=5))
    parquet = tmp_path / "cases.parquet"
    frame = pd.read_csv(file)
    frame["time"] = pd.to_datetime(frame["time"], unit="s")
    frame.astype({"case": "category", "golden": bool}).to_parquet(parquet)

    for cases in (file, parquet):
        assert main([str(cases), "--out", f"{cases}.out"]) == 0
    assert Path(f"{file}.out").read_bytes() == Path(f"{parquet}.out").read_bytes()


def test_a_metric_that_comes_later_is_unknown_to_the_looks_before(tmp_path: Path) -> None:
    late = "".join(f"a,late,after,{CHANGE + 60 * minute},1,up,1\n" for minute in range(20, 30))

    _, without = judged(tmp_path, rows("a", 10), options=("--looks", "10,25"))
    _, found = judged(tmp_path, rows("a", 10), late, options=("--looks", "10,25"))

    assert found[0] == without[0]
    assert found[1]["verdict"] == "INCONCLUSIVE"


def test_results_of_several_processes_come_in_order_and_are_those_of_one(tmp_path: Path) -> None:
    reading = read(file_of(tmp_path, *(rows(f"c{n}", 10 + n % 3, seed=n) for n in range(20))))
    task = Judging((timedelta(minutes=5), timedelta(minutes=15)), JudgePolicy())

    assert list(each(task, reading.cases, 2)) == list(each(task, reading.cases, 1))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give either CASES or --evidence DIR"),
        (["cases.csv"], "give --out VERDICTS"),
        (["cases.csv", "--evidence", "."], "give either CASES or --evidence DIR"),
        (["cases.csv", "--out", "x", "--looks", "5,-1"], "write minutes after the change"),
        (["cases.csv", "--out", "x", "--looks", "soon"], "write minutes after the change"),
        (["cases.csv", "--out", "x", "--jobs", "0"], "write a number from 1"),
    ],
)
def test_wrong_usage_is_told_and_nothing_is_done(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == NOTHING_DONE
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "", "case,metric\na,m\n"], ids=["missing", "empty", "columns"])
def test_a_file_that_cannot_be_read_leaves_everything_as_it_is(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = tmp_path / "cases.csv"
    if content is not None:
        cases.write_text(content)

    assert main([str(cases), "--out", str(tmp_path / "out.csv")]) == NOTHING_DONE
    assert not (tmp_path / "out.csv").exists()
    assert capsys.readouterr().err.endswith("nothing was done\n")


def test_the_command_runs_as_a_module_and_prints_verdicts_alone(tmp_path: Path) -> None:
    file = file_of(tmp_path, rows("a", 40))
    command = [sys.executable, "-m", "release_watch.judge", str(file), "--out", "-", "--looks", "15"]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 0
    assert ended.stdout.splitlines()[0] == COLUMNS
    assert ended.stdout.splitlines()[1].startswith("a,15,NO_GO,")
    assert ended.stderr == "1 case, at the last look: 1 NO_GO\n"
