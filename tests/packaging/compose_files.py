"""The files that docker compose reads, as the tests look at them."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from typing import Any

import yaml

from sandbox.layout import REPOSITORY

COMPOSE_FILE = REPOSITORY / "docker-compose.yaml"
EXAMPLE = REPOSITORY / ".env.example"
DOCKER = REPOSITORY / "docker"
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())["services"]

# By its path: `docker` is also the name of an installed package.
filled: Callable[[str], str] = runpy.run_path(str(DOCKER / "new_env.py"))["filled"]
