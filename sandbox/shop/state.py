"""Files that the shop's processes share under `.sandbox/run`: who runs where, in which version."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.layout import Layout
from sandbox.processes import replace
from sandbox.shop.topology import FIRST_VERSION


class ShopNotRunningError(SandboxError):
    """The shop has not been started under this root."""


@dataclass(frozen=True)
class Instance:
    """One running process of a service."""

    service: str
    version: str
    port: int
    process: str
    started_at: str

    @property
    def address(self) -> str:
        """Host and port, as Prometheus names a target."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://{self.address}"


@dataclass(frozen=True)
class ShopState:
    """The instances by service, the version that the shop has as a whole, and the highest it ever had."""

    version: str
    highest_version: str
    instances: dict[str, Instance]


def state_file(root: Path) -> Path:
    """Returns the file that says which instance of each service runs where."""
    return Layout.at(root).run / "shop.json"


def write_json(path: Path, content: object) -> None:
    """Writes JSON so that a reader sees the old or the new file, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, json.dumps(content, indent=2) + "\n")


def read_state(root: Path) -> ShopState:
    """Returns the state of the shop.

    Raises:
        ShopNotRunningError: There is no state file.
    """
    path = state_file(root)
    if not path.exists():
        raise ShopNotRunningError(
            f"the shop does not run: there is no {path}; start it with: python -m sandbox up"
        )
    content = json.loads(path.read_text(encoding="utf-8"))
    return ShopState(
        version=content.get("version", FIRST_VERSION),
        highest_version=content.get("highest_version", FIRST_VERSION),
        instances={name: Instance(**fields) for name, fields in content["instances"].items()},
    )


def write_state(root: Path, state: ShopState) -> None:
    """Writes the state of the shop."""
    write_json(state_file(root), asdict(state))
