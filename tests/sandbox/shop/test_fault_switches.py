from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox import faults
from sandbox.shop.distortion import HONEST, Distortion
from sandbox.shop.fault import Fault, faults_file
from sandbox.shop.state import write_json
from sandbox.shop.switches import Switches


def test_a_fault_is_on_from_its_setting_until_it_is_cleared(tmp_path: Path) -> None:
    fault = faults.set_fault(tmp_path, "latency", service="checkout", value=400)
    assert faults.active_faults(tmp_path) == [fault]

    assert faults.clear_faults(tmp_path) == [fault]
    assert faults.active_faults(tmp_path) == []


def test_setting_a_switch_again_replaces_its_value(tmp_path: Path) -> None:
    faults.set_fault(tmp_path, "errors", service="payments", value=0.1)
    faults.set_fault(tmp_path, "errors", service="payments", value=0.9)
    assert [fault.value for fault in faults.active_faults(tmp_path)] == [0.9]


def test_two_signals_of_one_service_are_two_switches(tmp_path: Path) -> None:
    for signal in ("logs", "traces"):
        faults.set_fault(tmp_path, "signal-off", service="payments", value=signal)
    switches = Switches(tmp_path, "payments", "1.0.0")
    assert [switches.exports(s) for s in ("metrics", "logs", "traces", "probe")] == [True, False, False, True]


@pytest.mark.parametrize(
    ("by", "left"),
    [
        pytest.param({"name": "latency"}, ["errors"], id="name"),
        pytest.param({"service": "payments"}, ["latency"], id="service"),
        pytest.param({"version": "1.1.0"}, ["errors"], id="version"),
        pytest.param({}, [], id="all"),
    ],
)
def test_faults_are_cleared_by_name_service_or_version(
    tmp_path: Path, by: dict[str, str], left: list[str]
) -> None:
    faults.set_fault(tmp_path, "latency", service="checkout", version="1.1.0")
    faults.set_fault(tmp_path, "errors", service="payments")
    faults.clear_faults(tmp_path, **by)
    assert [fault.name for fault in faults.active_faults(tmp_path)] == left


def test_a_fault_ends_when_its_time_has_run_out(tmp_path: Path) -> None:
    fault = faults.set_fault(tmp_path, "errors", service="payments", seconds=60)
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    write_json(faults_file(tmp_path), [{**vars(fault), "until": past}])
    assert faults.active_faults(tmp_path) == []
    assert Switches(tmp_path, "payments", "1.0.0").error_rate("/charges") == 0.0


@pytest.mark.parametrize(
    ("service", "version", "route", "rate"),
    [
        pytest.param("checkout", "1.1.0", "/orders", 0.5, id="the one meant"),
        pytest.param("checkout", "1.0.0", "/orders", 0.0, id="another version"),
        pytest.param("checkout", "1.1.0", "/orders/{id}/refund", 0.0, id="another route"),
        pytest.param("payments", "1.1.0", "/orders", 0.0, id="another service"),
    ],
)
def test_a_fault_hits_only_its_service_version_and_route(
    tmp_path: Path, service: str, version: str, route: str, rate: float
) -> None:
    faults.set_fault(tmp_path, "errors", service="checkout", value=0.5, version="1.1.0", route="/orders")
    assert Switches(tmp_path, service, version).error_rate(route) == rate


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        pytest.param("nonsense", {}, "dependency-dead", id="unknown fault lists all"),
        pytest.param("latency", {}, "storefront", id="no service lists all"),
        pytest.param("latency", {"service": "nobody"}, "storefront", id="unknown service lists all"),
        pytest.param("errors", {"service": "payments", "value": 1.5}, "0 to 1", id="rate above one"),
        pytest.param("errors", {"service": "payments", "value": "nan"}, "0 to 1", id="no number"),
        pytest.param("latency", {"service": "payments", "value": -1}, "milliseconds", id="negative"),
        pytest.param("signal-off", {"service": "payments", "value": "x"}, "traces", id="unknown signal"),
        pytest.param("memory", {"service": "payments", "seconds": 0}, "above 0", id="no time"),
        pytest.param("memory", {"service": "payments", "route": "/charges"}, "route", id="route of memory"),
        pytest.param("latency", {"service": "payments", "route": "/x"}, "/charges", id="unknown route"),
        pytest.param("broken-alert-route", {"seconds": 5}, "cleared", id="timed alert route"),
        pytest.param("route-uncounted", {"service": "payments"}, "/charges", id="no route lists all"),
        pytest.param("old-version", {"service": "payments", "value": "old"}, "MAJOR", id="no version"),
        pytest.param("gaps", {"service": "payments", "value": "often"}, "seconds", id="gaps of no length"),
    ],
)
def test_a_switch_that_cannot_be_set_is_refused_with_what_can(
    tmp_path: Path, name: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(faults.FaultError, match=said):
        faults.set_fault(tmp_path, name, **options)
    assert not faults_file(tmp_path).exists()


def test_leaked_memory_grows_and_is_given_back(tmp_path: Path) -> None:
    faults.set_fault(tmp_path, "memory", service="payments", value=1)
    switches = Switches(tmp_path, "payments", "1.0.0")
    switches.leak(2.0)
    switches.leak(1.0)
    assert switches.leaked_bytes == 3 * 1024 * 1024

    faults.clear_faults(tmp_path)
    relieved = Switches(tmp_path, "payments", "1.0.0")
    relieved.leak(1.0)
    assert relieved.leaked_bytes == 0


def test_the_alert_route_is_broken_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[bool, Path]] = []
    monkeypatch.setattr(
        "sandbox.servers.alertmanager.reconfigure_route", lambda broken, root: calls.append((broken, root))
    )
    faults.set_fault(tmp_path, "broken-alert-route")
    faults.clear_faults(tmp_path)
    faults.clear_faults(tmp_path)
    assert calls == [(True, tmp_path), (False, tmp_path)]


def test_the_command_line_sets_lists_and_clears(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = ["--root", str(tmp_path)]
    assert faults.main([*root, "set", "latency", "--service", "checkout", "--value", "250"]) == 0
    assert faults.main([*root, "list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "latency=250.0 checkout until cleared"
    assert faults.main([*root, "clear", "latency"]) == 0
    assert faults.main([*root, "list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "no fault"


def test_the_command_line_refuses_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert faults.main(["--root", str(tmp_path), "set", "nonsense"]) == 2
    assert "unknown fault 'nonsense'" in capsys.readouterr().err


def test_a_fault_without_end_is_always_on() -> None:
    fault = Fault("latency", "checkout", 1.0, None, None, "2026-01-01T00:00:00+00:00", None)
    late = datetime(2100, 1, 1, tzinfo=UTC)
    assert fault.is_on(late)
    assert not replace(fault, until="2099-01-01T00:00:00+00:00").is_on(late)


def test_what_has_no_fault_is_told_as_it_was_recorded(tmp_path: Path) -> None:
    faults.set_fault(tmp_path, "no-histogram", service="checkout")
    assert Switches(tmp_path, "payments", "1.1.0").distortion() == HONEST


def test_faults_of_telemetry_add_up_to_one_distortion(tmp_path: Path) -> None:
    for name, options in {
        "old-version": {},
        "clock-skew": {"value": 20},
        "route-uncounted": {"route": "/refunds"},
        "no-histogram": {},
        "no-status": {},
        "nan": {},
        "label-explosion": {"value": "50"},
    }.items():
        faults.set_fault(tmp_path, name, service="payments", version="1.1.0", **options)
    assert Switches(tmp_path, "payments", "1.1.0").distortion() == Distortion(
        version="1.0.0",
        ahead_seconds=20.0,
        uncounted=frozenset({"/refunds"}),
        buckets=False,
        status=False,
        summed=False,
        request_ids=50,
    )
    assert Switches(tmp_path, "payments", "1.0.0").distortion() == HONEST


def test_two_routes_can_be_uncounted_at_the_same_time(tmp_path: Path) -> None:
    for route in ("/charges", "/refunds"):
        faults.set_fault(tmp_path, "route-uncounted", service="payments", route=route)
    assert Switches(tmp_path, "payments", "1.1.0").distortion().uncounted == {"/charges", "/refunds"}


@pytest.mark.parametrize(
    ("seconds_ago", "fails"),
    [
        pytest.param(1, False, id="not at first"),
        pytest.param(11, True, id="then"),
        pytest.param(21, False, id="then not"),
        pytest.param(41, True, id="then again"),
    ],
)
def test_scrapes_fail_and_succeed_in_turn(tmp_path: Path, seconds_ago: float, fails: bool) -> None:
    fault = faults.set_fault(tmp_path, "gaps", service="payments", value=10)
    set_at = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()
    write_json(faults_file(tmp_path), [{**vars(fault), "set_at": set_at}])
    assert Switches(tmp_path, "payments", "1.1.0").scrape_fails() is fails
    assert not Switches(tmp_path, "checkout", "1.1.0").scrape_fails()
