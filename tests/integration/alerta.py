"""A real Alerta over a real PostgreSQL, and the ways into it: Alertmanager's key, ours, a person's login."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.servers.alerta import Alerta
from tests.integration.direct import DirectTransport


class OnCallDesk:
    """Alerta with a key that may only send, one that may only read, and Mona, who is on call."""

    def __init__(self, alerta: Alerta) -> None:
        self._alerta = alerta
        self.sending_key = alerta.new_key("alertmanager@shop.test", ["write:webhooks"])
        self.reading_key = alerta.new_key("release-watch@shop.test", ["read:alerts"])
        self._mona = alerta.sign_up("mona@shop.test", "a password of her own")

    @property
    def url(self) -> str:
        return self._alerta.url

    def reader(self, key: str | None = None) -> DirectTransport:
        """Return the transport that an Airflow connection with this key would give."""
        return DirectTransport(self.url, headers={"Authorization": f"Key {key or self.reading_key}"})

    def webhook(self, key: str | None = None) -> dict[str, Any]:
        """Return the part of Alertmanager's receiver that tells Alerta."""
        authorization = {"type": "Key", "credentials": key or self.sending_key}
        url = f"{self.url}/webhooks/prometheus"
        http = {"authorization": authorization}
        return {"webhook_configs": [{"url": url, "send_resolved": True, "http_config": http}]}

    def mona(self, action: str, uri: str) -> None:
        """Let Mona act on an alert, as she does with a click: ``ack``, ``close``."""
        path = f"/alert/{uri.rpartition('/')[2]}/action"
        self._alerta.call("PUT", path, {"action": action, "text": "on it"}, token=self._mona)

    def mona_sets(self, status: str, uri: str) -> None:
        path = f"/alert/{uri.rpartition('/')[2]}/status"
        self._alerta.call("PUT", path, {"status": status, "text": "seen"}, token=self._mona)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnCallDesk]:
    """Alerta for the tests of one file; it and its data are gone after them."""
    with Alerta(tmp_path_factory.mktemp("alerta")) as running:
        yield OnCallDesk(running)
