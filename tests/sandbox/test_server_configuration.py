"""What the servers are told: every second, on the loopback address only, alerts to on-call, nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.endpoints import endpoints
from sandbox.errors import SandboxError
from sandbox.layout import Layout
from sandbox.servers import alertmanager, blackbox, prometheus, tickets
from sandbox.servers.server import Site

PORTS = {
    "prometheus": 21001,
    "alertmanager": 21002,
    "blackbox": 21003,
    "node_exporter": 21004,
    "telemetry_store": 21005,
    "tickets": 21006,
    "receiver": 21007,
}
RECEIPTS = "http://127.0.0.1:8080/release-watch/receipts"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    programs = {
        name: Path("/opt") / name for name in ("prometheus", "alertmanager", "promtool", "amtool", "blackbox")
    }
    return Site(Layout.at(tmp_path), PORTS, programs, RECEIPTS)


def job(config: dict[str, Any], name: str) -> dict[str, Any]:
    return next(job for job in config["scrape_configs"] if job["job_name"] == name)


def on_call(config: dict[str, Any]) -> dict[str, Any]:
    (receiver,) = config["receivers"]
    (webhook,) = receiver["webhook_configs"]
    return webhook


def test_prometheus_scrapes_and_evaluates_every_second(site: Site):
    timing = prometheus.configuration(site)["global"]
    assert timing == {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}


def test_prometheus_takes_rules_and_targets_from_the_run_folder(site: Site):
    config = prometheus.configuration(site)
    run = site.layout.run
    assert config["rule_files"] == [f"{run}/rules/*.yaml"]
    assert job(config, "shop")["file_sd_configs"][0]["files"] == [f"{run}/targets/services/*.json"]
    assert job(config, "blackbox")["file_sd_configs"][0]["files"] == [f"{run}/targets/probes/*.json"]


def test_prometheus_accepts_a_history_of_a_whole_slo_period(site: Site):
    window = prometheus.configuration(site)["storage"]["tsdb"]["out_of_order_time_window"]
    assert int(window.removesuffix("d")) >= 30
    assert int(prometheus.RETENTION.removesuffix("d")) >= 30


def test_a_probe_keeps_its_target_as_instance_and_goes_through_the_exporter(site: Site):
    rules = job(prometheus.configuration(site), "blackbox")["relabel_configs"]
    assert {"source_labels": ["__param_target"], "target_label": "instance"} in rules
    assert rules[-1] == {"target_label": "__address__", "replacement": "127.0.0.1:21003"}


def test_prometheus_knows_nothing_of_servers_that_do_not_run(tmp_path: Path):
    config = prometheus.configuration(Site(Layout.at(tmp_path), {"prometheus": 21001}, {}))
    assert "alerting" not in config
    assert [job["job_name"] for job in config["scrape_configs"]] == ["prometheus", "shop"]


def test_prometheus_is_started_with_its_interfaces_for_reloading_and_seeding(site: Site):
    arguments = prometheus.server(site).arguments
    assert {"--web.enable-lifecycle", "--web.enable-remote-write-receiver"} <= set(arguments)
    assert "--rules.alert.resend-delay=2s" in arguments
    assert "--web.listen-address=127.0.0.1:21001" in arguments


def test_alerts_go_to_on_call_at_once(site: Site):
    config = alertmanager.configuration(RECEIPTS, None)
    assert config["route"]["group_wait"] == "0s"
    assert config["route"]["group_interval"] == "1s"
    assert on_call(config) == {"url": RECEIPTS, "send_resolved": True}


def test_page_ticket_drill_and_watchdog_have_their_routes_to_on_call():
    routes = alertmanager.configuration(RECEIPTS, None)["route"]["routes"]
    matchers = {matcher for route in routes for matcher in route["matchers"]}
    assert matchers == {'alertname="Watchdog"', 'drill="true"', 'severity="page"', 'severity="ticket"'}
    assert {route["receiver"] for route in routes} == {"oncall"}


def test_a_token_is_named_by_its_file_and_never_written_out(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("a-secret")
    config = alertmanager.configuration(RECEIPTS, token)
    authorization = {"type": "Bearer", "credentials_file": str(token)}
    assert on_call(config)["http_config"] == {"authorization": authorization}
    assert "a-secret" not in json.dumps(config)


def test_a_drill_never_silences_a_ticket():
    (rule,) = alertmanager.configuration(RECEIPTS, None)["inhibit_rules"]
    assert 'drill!="true"' in rule["source_matchers"]
    assert rule["equal"] == ["environment", "service", "slo"]


def test_alertmanager_without_anybody_to_tell_is_refused(tmp_path: Path):
    with pytest.raises(SandboxError, match="nobody to tell"):
        alertmanager.server(Site(Layout.at(tmp_path), {"alertmanager": 21002}, {"alertmanager": Path("/a")}))


def test_a_broken_route_leads_nowhere_and_a_mended_one_back(site: Site, monkeypatch: pytest.MonkeyPatch):
    reloads: list[str] = []
    monkeypatch.setattr(alertmanager, "post", reloads.append)
    alertmanager.server(site)
    site.layout.endpoints.write_text(json.dumps({"alertmanager": site.url("alertmanager")}))
    written = site.layout.run / "alertmanager" / "alertmanager.yml"

    alertmanager.reconfigure_route(True, site.layout.root)
    assert on_call(yaml.safe_load(written.read_text()))["url"] == alertmanager.DEAD_URL
    alertmanager.reconfigure_route(False, site.layout.root)
    assert on_call(yaml.safe_load(written.read_text()))["url"] == RECEIPTS
    assert reloads == ["http://127.0.0.1:21002/-/reload"] * 2


def test_the_route_of_a_sandbox_that_is_not_up_cannot_be_broken(tmp_path: Path):
    with pytest.raises(SandboxError, match="Is it up"):
        alertmanager.reconfigure_route(True, tmp_path)


def test_the_probe_module_expects_a_2xx_answer():
    assert blackbox.configuration()["modules"]["http_2xx"]["prober"] == "http"


def test_ticket_passwords_are_readable_by_the_owner_only_and_not_in_the_command_line(site: Site):
    server = tickets.server(site)
    file = tickets.credentials_file(site.layout)
    credentials = json.loads(file.read_text())
    assert file.stat().st_mode & 0o777 == 0o600
    assert credentials["password"] not in " ".join(server.arguments)
    assert len({credentials["password"], *credentials["people"].values()}) == 6


def test_endpoints_name_what_runs_and_hold_no_secret(site: Site):
    content = endpoints(site, ["prometheus", "telemetry_store", "tickets"])
    assert content["prometheus"] == "http://127.0.0.1:21001"
    assert content["loki"] == content["tempo"] == "http://127.0.0.1:21005"
    assert content["alertmanager"] is None
    assert content["programs"] == {"promtool": "/opt/promtool", "amtool": "/opt/amtool"}
    assert content["files"] == {"tickets_credentials": str(tickets.credentials_file(site.layout))}
