"""Log templates: messages that differ only in what varies are one, found by Drain (He et al., ICWS 2017)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from release_watch.watch.log_lines import VARIABLE, masked

SIMILAR = 0.6
"""The share of words that two messages of one template have in common, masked ones not counted."""

_FEWEST_CHARACTERS = 4
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _.,:;()\[\]/-]*")
MOST_PIECES = 4


class Template(NamedTuple):
    """A template of the current lines that no known message is of.

    ``first`` is the first of its messages, masked, and names it for good: the template itself may widen.
    """

    template_id: str
    text: str
    first: str
    lines: int


class Templates:
    """Templates of known messages, and of those that came after them.

    Args:
        known: messages from before, masked or not.
        named: the first messages of templates that are new but were met already, in the order in which.
    """

    def __init__(self, known: Iterable[str] = (), named: Iterable[str] = ()) -> None:
        self._miner = _miner()
        self._met: dict[str, int] = {}
        self._known = {self._cluster(message) for message in known}
        self._first: dict[int, str] = {}
        self._lines: dict[int, int] = {}
        for message in named:
            if (cluster := self._cluster(message)) not in self._known:
                self._first.setdefault(cluster, masked(message))

    def add(self, message: str) -> None:
        """Take in a current message."""
        cluster = self._cluster(message)
        if cluster not in self._known:
            self._first.setdefault(cluster, masked(message))
            self._lines[cluster] = self._lines.get(cluster, 0) + 1

    def new(self) -> list[Template]:
        """Return the templates of current messages that are not known, the most frequent first."""
        texts = {cluster.cluster_id: cluster.get_template() for cluster in self._miner.clusters}
        found = [
            Template(template_id(self._first[cluster]), texts[cluster], self._first[cluster], lines)
            for cluster, lines in self._lines.items()
        ]
        return sorted(found, key=lambda one: (-one.lines, one.template_id))

    def _cluster(self, message: str) -> int:
        """Return the cluster of a message; what is masked the same is one, which Drain does not grant.

        It counts no masked word as alike: ``payments answered <*>`` is to it two thirds of itself.
        """
        text = masked(message)
        if text not in self._met:
            cluster, _ = self._miner.add_log_message(text)
            self._met[text] = int(cluster.cluster_id)
        return self._met[text]


def template_id(first: str) -> str:
    """Return a short id of a template by its first message, masked."""
    return hashlib.sha256(first.encode()).hexdigest()[:10]


def constant_pieces(first: str) -> Sequence[str]:
    """Return the longest pieces of a masked message that stand in each line of it, however it is written.

    A quote or an escaped character may stand otherwise in the line, so that pieces end there.
    """
    pieces = [piece.strip() for part in first.split(VARIABLE) for piece in _PLAIN.findall(part)]
    long = sorted({piece for piece in pieces if len(piece) >= _FEWEST_CHARACTERS}, key=lambda p: (-len(p), p))
    return long[:MOST_PIECES]


def _miner() -> Any:
    from drain3.drain import Drain  # type: ignore[import-untyped]

    return Drain(depth=4, sim_th=SIMILAR, max_children=100)
