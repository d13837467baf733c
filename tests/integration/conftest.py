"""One stack of real servers for the whole integration suite, and the backends that reach it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from release_watch.drills.receipts import Receipts
from sandbox.servers import alertmanager as sandbox_alertmanager
from sandbox.stack import RECEIPTS_PATH, Stack
from tests.integration.direct import DirectBackends, DirectTransport
from tests.integration.receiving import ReceiptServer

Configure = Callable[[dict[str, Any]], None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "integration" in Path(item.path).parts:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def sandbox_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder whose ``.sandbox/run`` the stack uses."""
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="session")
def receiver(sandbox_root: Path) -> Iterator[ReceiptServer]:
    """The receiving end of alerts: what Alertmanager delivers becomes a receipt."""
    with ReceiptServer(Receipts.under(sandbox_root / "artifacts"), secrets.token_hex(16)) as server:
        yield server


@pytest.fixture(scope="session")
def token_file(sandbox_root: Path, receiver: ReceiptServer) -> Path:
    """Holds the receiver's bearer token for Alertmanager."""
    file = sandbox_root / "receiver-token"
    file.write_text(receiver.token)
    file.chmod(0o600)
    return file


@pytest.fixture(scope="session")
def stack(sandbox_root: Path, receiver: ReceiptServer, token_file: Path) -> Iterator[Stack]:
    """Prometheus, Alertmanager, exporters, the Loki/Tempo-compatible server and the tickets, all real."""
    with Stack(sandbox_root, airflow_url=receiver.url, receiver_token_file=token_file) as running:
        yield running


@pytest.fixture(scope="session")
def backends(stack: Stack) -> DirectBackends:
    """The stack's servers, as the domain sees them."""
    return DirectBackends(stack.endpoints)


@pytest.fixture
def receipts(receiver: ReceiptServer) -> Receipts:
    """What reached the receiver."""
    return receiver.receipts


@pytest.fixture
def healthy_configuration(receiver: ReceiptServer, token_file: Path) -> dict[str, Any]:
    """The stack's Alertmanager configuration, to be broken."""
    return sandbox_alertmanager.configuration(f"{receiver.url}{RECEIPTS_PATH}", token_file)


@pytest.fixture
def configure_alertmanager(
    stack: Stack, backends: DirectBackends, healthy_configuration: dict[str, Any]
) -> Iterator[Configure]:
    """Gives Alertmanager another configuration for one test, and the healthy one back."""
    file = stack.layout.run / "alertmanager" / "alertmanager.yml"
    healthy = yaml.safe_dump(healthy_configuration, sort_keys=False)

    def configure(configuration: dict[str, Any]) -> None:
        file.write_text(yaml.safe_dump(configuration, sort_keys=False))
        reload_alertmanager(backends.alertmanager())

    yield configure
    file.write_text(healthy)
    reload_alertmanager(backends.alertmanager())


def reload_alertmanager(alertmanager: DirectTransport) -> None:
    answer = alertmanager.request("POST", "/-/reload")
    assert answer.status == 200, answer.body
