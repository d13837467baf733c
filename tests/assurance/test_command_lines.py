"""The two command lines, with backends that answer from memory."""

from __future__ import annotations

import importlib.util
import json
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

from release_watch.assurance.quality import collecting
from release_watch.assurance.tuning.kept import KeptTunings
from release_watch.errors import BackendError
from release_watch.response.tickets import Incident
from release_watch.verdict import Verdict
from tests.assurance.fakes import NOW, FakeBackends, FakeMetrics, FakeServer
from tests.assurance.quality.recorded import RecordedMetrics
from tests.assurance.tuning.tuned import applied
from tests.gates import artifacts as a

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
DOWN = BackendError("Prometheus", "http://prometheus did not answer")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def artifacts(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("RELEASE_WATCH_ARTIFACT_ROOT", str(tmp_path / "root"))
    monkeypatch.delenv("RELEASE_WATCH_CONFIG", raising=False)
    return tmp_path


class TestCollectPerf:
    @pytest.fixture
    def collect(self, artifacts, monkeypatch):
        script = load("collect_perf")

        def run(*services, answer=None, arguments=("--env", "production", "--audit")):
            metrics = FakeMetrics(instants={"vector(1)": answer or [({}, 1.0)]})
            monkeypatch.setattr(script, "AirflowBackends", lambda _: FakeBackends(metrics))
            made = a.audit(*services)
            healthy = all(s.signals["logs"].status == "PASS" for s in services)
            verdict = Verdict.GO if healthy else Verdict.NO_GO
            monkeypatch.setattr(
                script, "whole_audit", lambda *_, **__: made.model_copy(update={"verdict": verdict})
            )
            output = artifacts / "new" / "audit.json"
            return script.main([*arguments, "--output", str(output)]), output

        return run

    def test_full_coverage_exits_0_and_writes_the_audit(self, collect, capsys):
        code, output = collect(a.service_audit("checkout"))
        assert (code, json.loads(output.read_text())["verdict"]) == (0, "GO")
        assert "[AUTOMATION] collect_perf.py executed: GO" in capsys.readouterr().out

    def test_the_picture_lies_beside_the_audit_unless_it_is_given_a_place(self, collect, artifacts):
        _, output = collect(a.service_audit("checkout"))
        place = artifacts / "wall" / "audit.png"
        collect(
            a.service_audit("checkout"), arguments=("--env", "production", "--audit", "--picture", str(place))
        )
        beside = output.with_name("audit.png")
        assert beside.read_bytes().startswith(b"\x89PNG")
        assert place.read_bytes() == beside.read_bytes()
        assert sorted(path.name for path in output.parent.iterdir()) == ["audit.json", "audit.png"]

    def test_the_picture_never_replaces_the_audit(self, collect, artifacts, capsys):
        output = artifacts / "new" / "audit.json"
        arguments = ("--env", "production", "--audit", "--picture", str(output))
        assert collect(a.service_audit("checkout"), arguments=arguments)[0] == 2
        assert not output.exists()
        assert "--picture" in capsys.readouterr().err

    def test_a_gap_exits_1_with_the_fixed_error_text(self, collect, capsys):
        gap = a.signal_audit(a.check("live", "FAIL"))
        code, output = collect(a.service_audit("checkout", logs=gap))
        assert (code, output.exists()) == (1, True)
        assert "[ERROR] Missing telemetry coverage for critical service: checkout." in capsys.readouterr().out

    def test_prometheus_down_exits_2_says_so_and_writes_nothing(self, collect, capsys):
        code, output = collect(answer=DOWN)
        assert (code, output.exists()) == (2, False)
        said = capsys.readouterr()
        assert "did not answer" in said.err
        assert "connection prometheus_production, or prometheus_default" in said.err
        assert "[AUTOMATION] collect_perf.py executed: ERROR" in said.out

    @pytest.mark.parametrize(
        "wrong",
        [
            ("--env", "mars", "--audit"),
            ("--env", "production", "--audit", "--services", "no-such"),
            ("--env", "production", "--audit", "--version", "1.0"),
            (
                "--env",
                "production",
                "--audit",
                "--version",
                "../x",
                "--release-id",
                "r",
                "--deployed-at",
                "now",
            ),
        ],
        ids=["unknown environment", "unknown service", "half an identity", "malformed identity"],
    )
    def test_wrong_values_exit_2_and_name_the_option_or_field(self, collect, capsys, wrong):
        code, output = collect(arguments=wrong)
        assert (code, output.exists()) == (2, False)
        assert "error: " in capsys.readouterr().err

    def test_json_on_stdout_can_be_parsed(self, collect, capsys):
        collect(a.service_audit("checkout"), arguments=("--env", "production", "--audit", "--json"))
        assert json.loads(capsys.readouterr().out)["release_id"] == "rel-1"

    def test_without_audit_it_is_wrong_usage(self, collect):
        with pytest.raises(SystemExit) as stopped:
            collect(arguments=("--env", "production"))
        assert stopped.value.code == 2


class TestAggregateCoverage:
    @pytest.fixture
    def aggregate(self, artifacts, monkeypatch):
        script = load("aggregate_coverage")

        def run(*more, metrics=None, incidents=()):
            servers = {} if incidents is None else {"tickets": FakeServer()}

            class Tracker:
                def __init__(self, transport: object, policy: object) -> None:
                    self.transport, self.policy = transport, policy

                def incidents(self, *_: object) -> list[Incident]:
                    if isinstance(incidents, Exception):
                        raise incidents
                    return list(incidents)

            backends = FakeBackends(metrics or FakeMetrics(), **servers)
            monkeypatch.setattr(script, "AirflowBackends", lambda _: backends)
            monkeypatch.setattr(collecting, "tickets_of", Tracker)
            monkeypatch.setattr(script, "now", lambda: NOW)
            output = artifacts / "new" / "report.md"
            return script.main(["--scope", "monitoring", "--output", str(output), *more]), output

        return run

    def test_a_reviewed_report_exits_0(self, aggregate, capsys):
        every_minute = [(NOW - timedelta(minutes=ago)).timestamp() for ago in range(8 * 24 * 60)]
        code, output = aggregate(metrics=RecordedMetrics(heartbeat=sorted(every_minute)))
        assert code == 0
        assert output.read_text().startswith("# Alert tuning report")
        assert "[AUTOMATION] aggregate_coverage.py executed: GO" in capsys.readouterr().out

    def test_where_nobody_could_see_what_fired_it_is_a_warning_and_says_for_how_long(self, aggregate, capsys):
        assert aggregate()[0] == 0
        said = capsys.readouterr().out
        assert "in 168 of 168 hours the dead man's switch did not fire" in said
        assert "[AUTOMATION] aggregate_coverage.py executed: WARN" in said

    def test_the_report_names_the_changes_that_people_approved(self, aggregate, artifacts, capsys):
        root = artifacts / "root"
        KeptTunings(root, "production").put_into_force(applied())
        damaged = root / "tuning" / "production" / "tune-ffffffffffff.json"
        damaged.write_text("{")
        _, output = aggregate()
        made = output.read_text().partition("## Adjustments made")[2].partition("##")[0]
        assert "HighErrorRate of checkout: for: none to 5 min; in force since" in made
        assert "approved by ada (sre)" in made
        assert f"not read: {damaged.as_uri()}" in capsys.readouterr().err

    def test_without_a_tracker_the_report_is_written_and_it_exits_1(self, aggregate, capsys):
        code, output = aggregate(incidents=None)
        assert (code, output.exists()) == (1, True)
        assert "tickets_default" in capsys.readouterr().out

    def test_a_tracker_that_is_down_exits_2(self, aggregate, capsys):
        code, output = aggregate(incidents=BackendError("tickets", "did not answer"))
        assert (code, output.exists()) == (2, False)
        assert "did not answer" in capsys.readouterr().err

    @pytest.mark.parametrize("since", ["7d", "P0D", "-P1D", "P91D"])
    def test_a_malformed_span_is_wrong_usage(self, aggregate, since):
        with pytest.raises(SystemExit) as stopped:
            aggregate("--since", since)
        assert stopped.value.code == 2

    def test_an_unknown_environment_exits_2_and_names_the_known(self, aggregate, capsys):
        assert aggregate("--environment", "mars")[0] == 2
        assert "known are production" in capsys.readouterr().err

    def test_the_span_reaches_prometheus(self, aggregate):
        metrics = FakeMetrics()
        aggregate("--since", "PT6H", metrics=metrics)
        start, end, _ = metrics.ranges[0]
        assert (end - start).total_seconds() == 6 * 3600

    def test_json_on_stdout_can_be_parsed(self, aggregate, capsys):
        aggregate("--json")
        assert json.loads(capsys.readouterr().out)["reviewed"] is True
