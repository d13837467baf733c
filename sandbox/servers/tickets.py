"""The ticket tracker: Roundup with SQLite, its web interface and REST API on one port."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from sandbox.layout import Layout
from sandbox.processes import replace
from sandbox.servers.server import PYTHON_ENVIRONMENT, Server, Site, python_module

ACCOUNT = "release-watch"
PEOPLE = ("sre", "oncall", "ops-lead", "tech-lead")


def credentials_file(layout: Layout) -> Path:
    """Return where the generated passwords of the tracker are kept, readable by the owner only."""
    return layout.run / "tickets" / "credentials.json"


def server(site: Site) -> Server:
    """Generate the passwords and return how to start the tracker, which makes itself at its first start."""
    folder = site.layout.data("tickets")
    credentials = credentials_file(site.layout)
    passwords = {name: secrets.token_urlsafe(18) for name in (ACCOUNT, "admin", *PEOPLE)}
    content = {
        "username": ACCOUNT,
        "password": passwords[ACCOUNT],
        "people": {name: passwords[name] for name in ("admin", *PEOPLE)},
    }
    replace(credentials, json.dumps(content, indent=2) + "\n", mode=0o600)
    return Server(
        name="tickets",
        arguments=python_module(
            "sandbox.servers.tracker",
            *("--port", str(site.ports["tickets"])),
            *("--home", str(folder / "tracker")),
            *("--credentials", str(credentials)),
        ),
        url=site.url("tickets"),
        health="/",
        folder=folder,
        environment=PYTHON_ENVIRONMENT,
    )
