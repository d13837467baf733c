"""``python -m release_watch.slo``: what it writes, prints, and exits with."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from release_watch.slo.command.arguments import main
from release_watch.slo.command.trial import in_words
from release_watch.slo.rulefile import from_yaml
from release_watch.slo.unit_tests import MARK

SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: { name: checkout-availability }
spec:
  service: checkout
  budgetingMethod: Occurrences
  timeWindow: [{ duration: 30d, isRolling: true }]
  objectives: [{ target: 0.999 }]
  indicator:
    spec:
      ratioMetric:
        counter: true
        bad: { metricSource: { type: Prometheus, spec: { query: 'requests_total{job="shop",code=~"5.."}' } } }
        total: { metricSource: { type: Prometheus, spec: { query: 'requests_total{job="shop"}' } } }
"""
SLOTH = """\
version: prometheus/v1
service: catalogue
slos:
  - name: signal
    objective: 95
    sli: { raw: { error_ratio_query: '1 - avg(avg_over_time(signal_ratio[{{.window}}]))' } }
    alerting: { page_alert: { labels: { team: shop } } }
"""
NAIVE = """\
groups:
  - name: workbook
    interval: 30s
    rules:
"""
NAIVE_ALERT = """\
      - alert: {alert}
        expr: {expr}
        labels:
          slo: checkout-availability
          service: checkout
          environment: production
          severity: {severity}
          burn_tier: {tier}
        annotations: {{ summary: too many errors, runbook_url: "https://runbooks.example.com" }}
"""
NOTHING_DONE = 2


@pytest.fixture
def folder(tmp_path: Path, promtool: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RELEASE_WATCH_PROMTOOL", str(promtool))
    (tmp_path / "slos").mkdir()
    (tmp_path / "slos" / "checkout.yaml").write_text(SLO)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def command(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(one) for one in arguments])
        except SystemExit as ended:
            code = int(str(ended.code))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return command


Run = Callable[..., tuple[int, str, str]]


def naive() -> str:
    """Return the rules of the SRE Workbook as they stand there, on raw series."""

    def ratio(window: str) -> str:
        return (
            f'sum(rate(requests_total{{job="shop",code=~"5.."}}[{window}]))'
            f' / sum(rate(requests_total{{job="shop"}}[{window}]))'
        )

    def arms(*found: tuple[str, str, float]) -> str:
        return " or ".join(f"({ratio(a)} > {at} and {ratio(b)} > {at})" for a, b, at in found)

    page, ticket = (
        arms(("1h", "5m", 0.0144), ("6h", "30m", 0.006)),
        arms(("1d", "2h", 0.003), ("3d", "6h", 0.001)),
    )
    return NAIVE + "".join(
        NAIVE_ALERT.format(alert=alert, expr=expr, severity=severity, tier=tier)
        for alert, expr, severity, tier in (
            ("SloBurnRatePage", page, "page", "fast"),
            ("SloBurnRateTicket", ticket, "ticket", "slow"),
        )
    )


def test_rules_and_their_tests_are_written_so_that_promtool_finds_them(
    folder: Path, promtool: Path, run: Run
) -> None:
    out, tests = folder / "out" / "rules.yaml", folder / "out" / "proof" / "tests.yaml"

    code, printed, _ = run("rules", folder / "slos", "--out", out, "--tests", tests)

    assert code == 0
    assert printed.splitlines()[0] == f"{out}: 1 SLOs, 2 groups, 32 recording rules, 4 alerts"
    assert [group.name for group in from_yaml(out.read_text())] == [
        "slo-checkout-availability-page",
        "slo-checkout-availability-ticket",
    ]
    assert sorted(path.name for path in tests.parent.iterdir()) == [
        "tests-1h.yaml",
        "tests-2m.yaml",
        "tests-30m.yaml",
        "tests.yaml",
    ]
    done = subprocess.run([promtool, "test", "rules", "tests-1h.yaml"], cwd=tests.parent, capture_output=True)
    assert done.returncode == 0


def test_former_test_files_are_removed_and_nobody_elses(folder: Path, run: Run) -> None:
    ours, other = folder / "tests-17m.yaml", folder / "tests-own.yaml"
    ours.write_text(f"{MARK}\n")
    other.write_text("tests: []\n")

    run("rules", folder / "slos", "--out", folder / "rules.yaml", "--tests", folder / "tests.yaml")

    assert not ours.exists()
    assert other.read_text() == "tests: []\n"


def test_what_no_test_can_show_and_what_is_not_used_is_told(folder: Path, run: Run) -> None:
    sloth = folder / "sloth.yaml"
    sloth.write_text(SLOTH)
    tests = folder / "tests.yaml"

    code, printed, _ = run(
        "rules", folder / "slos", sloth, sloth, "--out", folder / "rules.yaml", "--tests", tests, "--json"
    )

    told = json.loads(printed)
    assert (code, told["slos"]) == (0, 2)
    assert told["not_tested"] == [
        "catalogue-signal: no alert: is a ready-made ratio that is no quotient of two sums"
    ]
    assert "pageAlert" in told["warnings"][0] or "page_alert" in told["warnings"][0]
    assert "catalogue-signal: no alert" in tests.read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SLO.replace("0.999", "1.0"), "slo.yaml:8: "),
        (SLO.replace("counter: true", "counter: true\n        counter: true"), "slo.yaml:13: YAML: "),
        ("a: [", "slo.yaml:2: YAML: "),
        ("- 1", "slo.yaml:1: "),
        ("", "has no SLO"),
        ("\0", "slo.yaml:1: YAML: "),
        (SLO.replace("requests_total{job", "rate({job"), "slo.yaml:13: "),
        (SLO.replace("0.999", "0.93"), "slo.yaml:8: "),
    ],
    ids=["100 %", "twice", "no YAML", "no mapping", "empty", "binary", "no selector", "unreachable"],
)
@pytest.mark.parametrize("command", ["rules", "check", "explain"])
def test_bad_input_is_shown_with_file_and_line_and_nothing_is_written(
    command: str, text: str, words: str, folder: Path, run: Run
) -> None:
    path = folder / "slo.yaml"
    path.write_text(text)
    out = folder / "rules.yaml"

    code, printed, told = run(command, path, *(["--out", out] if command == "rules" else []))

    assert (code, printed) == (NOTHING_DONE, "")
    assert words in told.splitlines()[0]
    assert told.splitlines()[-1].endswith("nothing was done")
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["explain", "nowhere.yaml"], "nowhere.yaml:1: file: missing"),
        (["explain", "{folder}"], "has no .yaml or .yml file"),
        (["explain", "{slos}", "--picture", "budget.pdf"], "only PNG is drawn"),
        (["explain", "{slos}", "--errors", "0.1,x"], "write up to 12 percentages"),
        (["explain", "{slos}", "--errors", "NaN"], "write up to 12 percentages"),
        (["explain", "{slos}", "--errors", "1e-40"], "write up to 12 percentages"),
        (["rules", "{slos}"], "--out"),
        (
            ["rules", "{slos}", "--out", "{folder}/a", "--tests", "{folder}/a"],
            "is also the file of the rules",
        ),
        (["rules", "{slos}", "--out", "{slos}"], "{slos}"),
        (["rules", "{slos}", "--out", "{folder}/a", "--environment", 'x"}'], "--environment"),
        (["check", "{slos}", "--rules", "{folder}/nowhere"], "nowhere"),
        (["check", "{slos}", "--rules", "{slos}/checkout.yaml"], "checkout.yaml:1: rule file: has no list"),
        (["check", "{slos}", "--no-tests", "--prometheus", "prometheus:9090"], "no address"),
        (["check", "{slos}", "--no-tests", "--prometheus", "http://127.0.0.1:9"], "did not answer"),
        (["check", "{slos}", "--example", "code"], "write LABEL=VALUE"),
        (["chek", "{slos}"], "invalid choice"),
    ],
    ids=lambda value: " ".join(value[2:]) or value[0] if isinstance(value, list) else "",
)
def test_wrong_use_exits_with_2_and_says_why(
    arguments: list[str], words: str, folder: Path, run: Run
) -> None:
    places = {"folder": folder, "slos": folder / "slos"}

    code, printed, told = run(*(one.format(**places) if "{" in one else one for one in arguments))

    assert (code, printed) == (NOTHING_DONE, "")
    assert (words.format(**places) if "{" in words else words) in told


def test_a_missing_promtool_is_named(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELEASE_WATCH_PROMTOOL", "/nowhere/promtool")

    code, _, told = run("check", folder / "slos")

    assert code == NOTHING_DONE
    assert "RELEASE_WATCH_PROMTOOL" in told


def test_our_rules_are_fine(folder: Path, run: Run) -> None:
    code, printed, _ = run("check", folder / "slos")

    assert code == 0
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert lines[:3] == [
        "1 SLOs: 2 groups, 32 recording rules, 4 alerts",
        "promtool check rules ok",
        "lint ok",
    ]
    assert lines[3].startswith("promtool test rules ok 7 tests")


def test_the_workbooks_rules_are_found_wrong(folder: Path, run: Run) -> None:
    rules = folder / "naive.yaml"
    rules.write_text(naive())

    code, printed, _ = run("check", folder / "slos", "--rules", rules, "--json")

    result = json.loads(printed)
    assert (code, result["fine"]) == (1, False)
    found = next(step["lines"] for step in result["checks"] if step["name"] == "promtool test rules")
    assert "checkout-availability: SloBurnRatePage fires, and must not, after 10m" in found
    assert any("SloTelemetryAbsent does not fire, and must" in line for line in found)
    assert any("SloLowTrafficErrors does not fire, and must" in line for line in found)


def test_rules_that_promtool_or_the_lint_refuses_are_found(folder: Path, run: Run) -> None:
    rules = folder / "own.yaml"
    rules.write_text("groups: [{name: a, rules: [{alert: A, expr: 'sum('}, {alert: B, expr: up}]}]")

    code, printed, _ = run("check", folder / "slos", "--rules", rules, "--no-tests")

    assert code == 1
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert "promtool check rules FAILED" in lines
    assert any(line.startswith("lint FAILED") for line in lines)
    assert any("no condition" in line for line in lines)


class Answers(BaseHTTPRequestHandler):
    """A Prometheus that keeps samples for 15 days, and has none."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = "runtimeinfo" in self.path
        data: Any = {"storageRetention": "15d"} if asked else {"resultType": "vector", "result": []}
        body = json.dumps({"status": "success", "data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815 - names that the library calls

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def prometheus() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_server_is_asked_how_long_it_keeps_samples(folder: Path, prometheus: str, run: Run) -> None:
    code, printed, told = run(
        "check", folder / "slos", "--no-tests", "--prometheus", f"http://reader:secret@{prometheus}"
    )

    assert code == 1
    assert "keeps samples for 15 d" in printed
    assert f"{folder}/slos/checkout.yaml:3: checkout-availability: window: 30d" in printed
    assert "secret" not in printed + told


def test_explain_shows_the_closed_forms(folder: Path, run: Run) -> None:
    code, printed, _ = run("explain", folder / "slos", "--errors", "0.2,1,15,50")

    rows = [line.split() for line in printed.splitlines()]
    assert code == 0
    assert any(row[-8:] == ["50", "%", "15", "%", "1", "%", "0.2", "%"] for row in rows)
    assert "5 min 46 s" in printed  # 15 %: 5.76 minutes
    assert "4 min 31 s" in printed
    assert "3 h 36 min" in printed  # 1 %: 216 minutes
    assert "1 d 12 h" in printed  # 0.2 %: 2160 minutes
    assert "29 min 38 s" in printed  # 50 %: the page resets through the slower arm
    assert any(row[:2] == ["page", "1h/5m"] and row[2] == "14.4" for row in rows)


def test_explain_says_the_same_as_json(folder: Path, run: Run) -> None:
    _, printed, _ = run("explain", folder / "slos", "--errors", "15,0.2", "--json")

    (slo,) = json.loads(printed)["slos"]
    assert slo["error_ratios"] == [0.15, 0.002]
    assert slo["arms"][0]["detect_seconds"] == [345.6, None]
    assert slo["arms"][0]["budget_spent"] == 0.02
    assert slo["arms"][3]["detect_seconds"] == [1728.0, 129600.0]
    assert slo["budget_gone_seconds"] == [17280.0, 1296000.0]


def test_an_slo_without_burn_rate_alerts_is_explained_too(folder: Path, run: Run) -> None:
    off = 'annotations: { release-watch.io/page: "false", release-watch.io/ticket: "false" } }'
    text = SLO.replace("checkout-availability }", f"checkout-availability, {off}")
    (folder / "slos" / "checkout.yaml").write_text(text)

    code, printed, _ = run("explain", folder / "slos", "--picture", folder / "budget.png")

    assert code == 0
    assert "No burn-rate alert is wanted." in printed


def test_the_picture_is_a_panel_for_each_kind_of_slo(folder: Path, run: Run) -> None:
    from matplotlib.image import imread

    two = SLO + "---\n" + SLO.replace("checkout-availability", "other").replace("0.999", "0.99")
    same = two + "---\n" + SLO.replace("checkout-availability", "third")
    heights = []
    for text in (SLO, two, same):
        (folder / "slos" / "checkout.yaml").write_text(text)
        assert run("explain", folder / "slos", "--picture", folder / "out" / "budget.png")[0] == 0
        heights.append(imread(folder / "out" / "budget.png").shape[0])

    assert heights[1] == heights[2] == pytest.approx(2 * heights[0], abs=2)


def test_too_many_panels_are_refused(folder: Path, run: Run) -> None:
    many = [
        SLO.replace("checkout-availability", f"slo-{n}").replace("0.999", f"0.99{n}") for n in range(100, 113)
    ]
    (folder / "slos" / "checkout.yaml").write_text("---\n".join(many))

    code, _, told = run("explain", folder / "slos", "--picture", folder / "budget.png")

    assert code == NOTHING_DONE
    assert "12 can be drawn at most" in told
    assert not (folder / "budget.png").exists()


@pytest.mark.parametrize("command", [[], ["rules"], ["check"], ["explain"]], ids=" ".join)
def test_help_has_examples_and_exit_codes(command: list[str], run: Run) -> None:
    code, printed, _ = run(*command, "--help")

    assert code == 0
    assert "python -m release_watch.slo rules slos/ --out rules.yaml --tests tests.yaml" in printed
    assert "1  check found something" in printed


def test_words_of_promtool_that_are_not_understood_are_shown_as_they_are() -> None:
    assert in_words("  FAILED:\n    something new\n") == ["FAILED:", "something new"]


def test_a_number_that_is_none_is_named() -> None:
    nan = 'expr: "count(sum by (slo) (x) != sum by (slo) (x))", time: 16m,\n  exp: nil\n  got: {} 1E+00'
    assert in_words(nan) == ["a recorded series is no number (NaN), after 16m"]
