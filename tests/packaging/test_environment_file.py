"""Secrets come from .env alone, which `make env` writes from .env.example."""

from __future__ import annotations

import json
import re

import yaml

from sandbox.layout import REPOSITORY
from tests.packaging.compose_files import COMPOSE_FILE, DOCKER, EXAMPLE, SERVICES, filled


def test_no_secret_is_written_into_the_file() -> None:
    from_environment = re.compile(r"\$\{\w+:\?run make env\}")
    variables = {
        name: value
        for service in SERVICES.values()
        if isinstance(service.get("environment"), dict)
        for name, value in service["environment"].items()
        if value is not None
    }
    secret = re.compile(r"PASSWORDS?$|SECRET|_KEY$|TOKEN|_AUTH$")
    text = COMPOSE_FILE.read_text()
    values = [value for name, value in variables.items() if secret.search(name)]
    values += re.findall(r'"password":\s*"([^"]*)"', text) + re.findall(r"://\w*:([^@\s]*)@", text)

    written_out = [value for value in values if not from_environment.fullmatch(value)]

    assert {"AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "POSTGRES_PASSWORD"} <= set(
        variables
    )
    assert len(values) > len([name for name in variables if secret.search(name)])
    assert not written_out


def test_no_secret_is_written_into_the_example_or_the_servers_configuration() -> None:
    lines = EXAMPLE.read_text().splitlines()
    secret = re.compile(r"(PASSWORD|SECRET|TOKEN|KEY|PASSWORDS)=")
    given = [
        line for line in lines if secret.search(line.partition("=")[0] + "=") and not line.startswith("#")
    ]

    assert given and all(line.endswith("=") for line in given)
    for path in (path for path in DOCKER.rglob("*.y*ml") if path.is_file()):
        assert not re.search(r"(?i)(password|token|secret|credentials)\s*:\s*\S", path.read_text()), path


def test_the_example_names_every_variable_and_no_other() -> None:
    used = set(re.findall(r"\$\{(\w+)", COMPOSE_FILE.read_text().replace("$${", "")))
    used |= {
        name
        for service in SERVICES.values()
        if isinstance(service.get("environment"), dict)
        for name, value in service["environment"].items()
        if value is None
    }
    used |= {secret["environment"] for secret in yaml.safe_load(COMPOSE_FILE.read_text())["secrets"].values()}

    named = set(re.findall(r"(?m)^#?([A-Z][A-Z_]+)=", EXAMPLE.read_text()))

    assert named == used


def test_two_environments_share_no_secret() -> None:
    first, second = (dict(re.findall(r"(?m)^([A-Z_]+)=(.+)$", filled(EXAMPLE.read_text()))) for _ in range(2))

    assert {name for name in first if first[name] == second[name]} == {"AIRFLOW_USERS"}
    assert set(json.loads(first["AIRFLOW_PASSWORDS"].strip("'"))) == {
        user.split(":")[0] for user in first["AIRFLOW_USERS"].split(",")
    }


def test_the_users_are_those_that_the_shipped_rotation_asks() -> None:
    roles = yaml.safe_load((REPOSITORY / "include/config/oncall.yaml").read_text())["roles"]
    asked = {person["user"] for role in roles.values() for person in role["people"]}
    users = dict(
        re.findall(r"([\w-]+):(\w+)", re.search(r"(?m)^AIRFLOW_USERS=(.*)$", EXAMPLE.read_text())[1])
    )  # type: ignore[index]

    assert asked <= set(users)
    assert {users[user] for user in asked} == {"user"}
