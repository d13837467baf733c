from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from release_watch.transport import Answer


class FakeTransport:
    """A server that gives prepared answers and remembers what it was asked."""

    base_url = "http://server.example"

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Exception] = {}
        self.asked: list[tuple[str, str, Mapping[str, Any]]] = []

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        **_: object,
    ) -> Answer:
        self.asked.append((method, path, params or {}))
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport()
