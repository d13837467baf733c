"""Servers that answer what a test tells them to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from release_watch.transport import Answer

URL = "https://pager.shop.test"


class Answering:
    """A ``Transport`` with one answer per path; ``asked`` are the paths and parameters it was asked for."""

    def __init__(self, answers: Mapping[str, Any], status: int = 200) -> None:
        self._answers, self._status = answers, status
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    @property
    def base_url(self) -> str:
        return URL

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        assert method == "GET", "receivers are only read"
        assert json is None
        self.headers = dict(headers or {})
        self.asked.append((path, dict(params or {})))
        return Answer(self._status, self._answers[path])
