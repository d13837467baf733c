from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.layout import Layout
from sandbox.shop import fleet, targets
from sandbox.shop.state import Instance, ShopNotRunningError, ShopState, read_state, write_json, write_state
from sandbox.shop.watched_file import WatchedFile

CHECKOUT = Instance("checkout", "1.1.0", 12345, "shop-checkout-1.1.0", "2026-11-22T10:00:00.000Z")


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = ShopState("1.0.0", "1.1.0", {"checkout": CHECKOUT})
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


def test_a_shop_that_does_not_run_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ShopNotRunningError, match="python -m sandbox up"):
        read_state(tmp_path)


def test_targets_name_job_service_version_and_environment(tmp_path: Path) -> None:
    targets.register(tmp_path, CHECKOUT, scraped_at=CHECKOUT.address, probed=True)
    layout = Layout.at(tmp_path)
    scrape = json.loads((layout.service_targets / "checkout.json").read_text())
    probe = json.loads((layout.probe_targets / "checkout.json").read_text())
    labels = {"service": "checkout", "version": "1.1.0", "environment": "production"}
    assert scrape == [{"targets": ["127.0.0.1:12345"], "labels": {"job": "shop/checkout", **labels}}]
    assert probe == [{"targets": ["http://127.0.0.1:12345/healthz"], "labels": labels}]


def test_a_service_that_is_not_probed_has_no_probe_target(tmp_path: Path) -> None:
    targets.register(tmp_path, CHECKOUT, scraped_at=CHECKOUT.address, probed=True)
    targets.register(tmp_path, CHECKOUT, scraped_at=targets.DEAD_ADDRESS, probed=False)
    scrape, probe = targets.target_files(tmp_path, "checkout")
    assert json.loads(scrape.read_text())[0]["targets"] == ["127.0.0.1:9"]
    assert not probe.exists()


def test_a_watched_file_is_read_again_when_it_was_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("sandbox.shop.watched_file.time.monotonic", lambda: clock[0])
    path = tmp_path / "f.json"
    watched = WatchedFile(path, lambda p: json.loads(p.read_text()), [])
    assert watched.content() == []
    write_json(path, [1])
    assert watched.content() == []  # looked less than a second ago
    clock[0] = 1.0
    assert watched.content() == [1]
    path.write_text("half a fi")
    clock[0] = 2.0
    assert watched.content() == [1]


def test_a_version_that_is_none_is_not_deployed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        fleet.deploy(tmp_path, "latest")


def test_unknown_services_are_not_deployed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown services mail"):
        fleet.deploy(tmp_path, "1.1.0", ["mail"])


def test_the_shop_does_not_start_without_its_servers(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="python -m sandbox up"):
        fleet.start(tmp_path)


def test_a_new_version_that_does_not_become_healthy_leaves_the_old_one_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ShopState("1.0.0", "1.0.0", {"checkout": CHECKOUT})
    write_state(tmp_path, before)
    stopped: list[str] = []

    def unhealthy(*_: object) -> None:
        raise fleet.ServerFailedError("does not answer")

    monkeypatch.setattr(fleet, "_launch", lambda *_: None)
    monkeypatch.setattr(fleet, "_wait_until_healthy", unhealthy)
    monkeypatch.setattr(fleet, "_stop_one", lambda _, process: stopped.append(process))
    with pytest.raises(fleet.ServerFailedError):
        fleet.deploy(tmp_path, "1.2.0", ["checkout"])
    assert stopped == ["shop-checkout-1.2.0"]
    assert read_state(tmp_path) == before
