"""docker-compose.yaml, the Dockerfile and the servers' configuration: sound and closed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.layout import REPOSITORY, default_tools
from sandbox.packages import fetch_programs
from tests.packaging.compose_binary import compose_command
from tests.packaging.compose_files import COMPOSE_FILE, DOCKER, EXAMPLE, SERVICES, filled

AIRFLOW = sorted(name for name in SERVICES if name.startswith("airflow-"))
ONE_SHOT = {"airflow-init"}


@pytest.fixture(scope="session")
def compose() -> tuple[str, ...]:
    return compose_command()


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    path = tmp_path / "env"
    path.write_text(filled(EXAMPLE.read_text()))
    return path


def run_config(
    compose: tuple[str, ...], environment: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    command = (*compose, "--file", str(COMPOSE_FILE), "--env-file", str(environment), "config", *options)
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=clean, check=False)


def resolved(compose: tuple[str, ...], environment: Path) -> dict[str, Any]:
    answer = run_config(compose, environment, "--format", "json")
    assert answer.returncode == 0, answer.stderr
    content: dict[str, Any] = json.loads(answer.stdout)
    return content


def test_compose_accepts_the_file(compose: tuple[str, ...], environment: Path) -> None:
    answer = run_config(compose, environment, "--quiet")

    assert (answer.returncode, answer.stderr) == (0, "")


def test_compose_refuses_to_start_without_secrets_and_says_what_to_do(compose: tuple[str, ...]) -> None:
    answer = run_config(compose, EXAMPLE, "--quiet")

    assert answer.returncode != 0
    assert "is missing a value: run make env" in answer.stderr


def test_every_port_is_bound_to_this_machine_only(compose: tuple[str, ...], environment: Path) -> None:
    services = resolved(compose, environment)["services"]

    ports = {name: port for name, service in services.items() for port in service.get("ports", ())}

    assert {port["host_ip"] for port in ports.values()} == {"127.0.0.1"}
    assert {"airflow-apiserver", "prometheus", "alertmanager", "grafana"} <= set(ports)


def test_ports_and_workers_follow_the_environment(compose: tuple[str, ...], environment: Path) -> None:
    with environment.open("a") as file:
        file.write("AIRFLOW_PORT=18080\nAIRFLOW_WORKERS=5\n")

    services = resolved(compose, environment)["services"]

    assert services["airflow-apiserver"]["ports"][0]["published"] == "18080"
    assert services["airflow-worker"]["deploy"]["replicas"] == 5


def test_the_whole_stack_is_there() -> None:
    assert set(SERVICES) == {
        "airflow-apiserver",
        "airflow-dag-processor",
        "airflow-init",
        "airflow-scheduler",
        "airflow-triggerer",
        "airflow-worker",
        "alertmanager",
        "blackbox-exporter",
        "grafana",
        "loki",
        "postgres",
        "prometheus",
        "redis",
        "tempo",
    }


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONE_SHOT))
def test_a_service_says_whether_it_is_healthy(name: str) -> None:
    test = SERVICES[name]["healthcheck"]["test"]

    assert test[0] in {"CMD", "CMD-SHELL"}
    assert len(test) > 1


@pytest.mark.parametrize("name", sorted(ONE_SHOT))
def test_a_service_that_runs_once_is_waited_for_and_not_restarted(name: str) -> None:
    waiting = {other for other, service in SERVICES.items() if name in service.get("depends_on", {})}

    assert SERVICES[name]["restart"] == "no"
    assert waiting == set(AIRFLOW) - ONE_SHOT
    assert all(
        SERVICES[other]["depends_on"][name]["condition"] == "service_completed_successfully"
        for other in waiting
    )


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_an_image_is_pinned_by_a_version(name: str) -> None:
    tag = SERVICES[name]["image"].partition(":")[2]

    assert re.search(r"\d+\.\d+", tag), f"{name} takes whatever {tag or 'latest'} is on that day"


def test_the_image_takes_airflow_and_the_tools_at_the_versions_of_everything_else() -> None:
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE))
    requirements = (REPOSITORY / "requirements.txt").read_text().split()

    assert f"apache-airflow=={arguments['AIRFLOW_VERSION']}" in requirements
    assert SERVICES["prometheus"]["image"] == f"prom/prometheus:{arguments['PROMETHEUS_VERSION']}"
    assert SERVICES["alertmanager"]["image"] == f"prom/alertmanager:{arguments['ALERTMANAGER_VERSION']}"


def test_the_image_copies_only_what_the_builder_is_sent() -> None:
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()
    copied = {
        source.removeprefix("./")
        for line in lines
        if line.startswith("COPY") and "--from" not in line
        for source in line.split()[1:-1]
        if not source.startswith("--")
    }
    sent = {
        line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }

    assert copied == sent


@pytest.mark.parametrize("name", AIRFLOW)
def test_every_part_of_airflow_shares_keys_rules_and_configuration(
    compose: tuple[str, ...], environment: Path, name: str
) -> None:
    services = resolved(compose, environment)["services"]
    service, other = services[name], services["airflow-worker"]
    shared = (
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
    )

    mounted = {volume["target"] for volume in service["volumes"]}

    assert all(service["environment"][key] == other["environment"][key] for key in shared)
    assert {
        "/etc/release-watch",
        "/var/lib/release-watch/rules",
        "/var/lib/release-watch/artifacts",
    } <= mounted
    assert service["environment"]["RELEASE_WATCH_CONFIG"] == "/etc/release-watch"


def test_workers_write_rules_where_prometheus_loads_them(compose: tuple[str, ...], environment: Path) -> None:
    services = resolved(compose, environment)["services"]
    connection = json.loads(services["airflow-worker"]["environment"]["AIRFLOW_CONN_PROMETHEUS_DEFAULT"])
    loaded = yaml.safe_load((DOCKER / "prometheus/prometheus.yml").read_text())["rule_files"]

    volumes = {
        name: next(
            v["source"] for v in services[name]["volumes"] if v["target"] == "/var/lib/release-watch/rules"
        )
        for name in ("airflow-worker", "prometheus")
    }

    assert loaded == [f"{connection['extra']['rules_directory']}/*.yaml"]
    assert volumes == {"airflow-worker": "rules", "prometheus": "rules"}
    assert "--web.enable-lifecycle" in services["prometheus"]["command"]


@pytest.mark.parametrize(
    ("variable", "service"),
    [
        ("AIRFLOW_CONN_PROMETHEUS_DEFAULT", "prometheus"),
        ("AIRFLOW_CONN_ALERTMANAGER_DEFAULT", "alertmanager"),
        ("AIRFLOW_CONN_LOKI_DEFAULT", "loki"),
        ("AIRFLOW_CONN_TEMPO_DEFAULT", "tempo"),
        ("AIRFLOW_CONN_GRAFANA_DEFAULT", "grafana"),
        ("AIRFLOW_CONN_ONCALL_DEFAULT", "airflow-apiserver"),
    ],
)
def test_a_connection_leads_to_the_port_that_its_service_listens_on(
    compose: tuple[str, ...], environment: Path, variable: str, service: str
) -> None:
    services = resolved(compose, environment)["services"]

    connection = json.loads(services["airflow-triggerer"]["environment"][variable])

    assert connection["host"] == service
    assert connection["port"] in {port["target"] for port in services[service]["ports"]}


def test_alertmanager_shows_the_receiver_the_token_that_it_expects(
    compose: tuple[str, ...], environment: Path
) -> None:
    content = resolved(compose, environment)
    token = re.search(r"(?m)^RECEIVER_TOKEN=(.+)$", environment.read_text())
    receiver = yaml.safe_load((DOCKER / "alertmanager/alertmanager.yml").read_text())["receivers"][0]
    authorization = receiver["webhook_configs"][0]["http_config"]["authorization"]

    expected = json.loads(
        content["services"]["airflow-apiserver"]["environment"]["AIRFLOW_CONN_ONCALL_DEFAULT"]
    )

    assert token is not None
    assert expected["password"] == token[1]
    assert content["secrets"]["receiver_token"]["environment"] == "RECEIVER_TOKEN"
    assert (
        content["services"]["alertmanager"]["secrets"][0]["source"]
        == Path(authorization["credentials_file"]).name
    )


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("promtool", ("check", "config", "prometheus/prometheus.yml")),
        ("amtool", ("check-config", "alertmanager/alertmanager.yml")),
        ("blackbox", ("--config.check", "--config.file=blackbox/blackbox.yml")),
    ],
    ids=["prometheus", "alertmanager", "blackbox"],
)
def test_a_server_accepts_its_configuration(program: str, arguments: tuple[str, ...]) -> None:
    programs = fetch_programs(default_tools(), lambda _line: None)

    answer = subprocess.run(
        [str(programs[program]), *arguments],
        cwd=DOCKER,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert answer.returncode == 0, answer.stdout + answer.stderr
