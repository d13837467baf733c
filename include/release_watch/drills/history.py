"""Past drills: one small file each, beside the artifacts, for how long hops take and whose turn it is.

A file lies at ``<artifact root>/drill-history/<environment>/<year-month>/<service>/``. Its name holds the
drill's id, its kind, and digests of its route and receivers, so that most questions are answered by names:
what is read is as many files as are asked for, the newest.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from statistics import median
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from release_watch.artifacts.models import AlertTestResults, DrillResult, HopHistory
from release_watch.artifacts.store import PathLike
from release_watch.clock import Timestamp
from release_watch.drills.judging import is_not_drilled, receivers_of
from release_watch.drills.passage import HOPS, HopName, due_at
from release_watch.files import write_whole
from release_watch.identifiers import identifier
from release_watch.verdict import Verdict

FOLDER = "drill-history"
RECENT = 50
STATISTICS_OVER = 200
"""How many past drills are read for statistics, the newest."""
READERS = 8
"""An object store answers in tens of milliseconds; so many files are read at once."""
MOST_MARKS = 12
"""Receivers whose digests fit into a file name; a drill of more is looked into."""

Kind = Literal["full", "direct"]

_ANY = "any"
_SEPARATOR = "~"  # no identifier has one
_MONTH = re.compile(r"\d{4}-\d{2}")
_BEGUN = re.compile(r"\d{8}T\d{6}Z")

log = logging.getLogger(__name__)


class PastDrill(BaseModel):
    """What is kept of a drill; ``seconds`` are the latencies of the hops that were seen, by their names.

    ``at`` is when it was due to fire, or when its results were written if it never fired.
    """

    model_config = ConfigDict(frozen=True)

    drill_id: str
    kind: Kind
    environment: str
    release_id: str
    service: str
    severity: str
    receiver: str | None
    receivers: tuple[str, ...]
    route: tuple[str, ...]
    at: Timestamp
    seconds: dict[HopName, float]
    verdict: Verdict

    @property
    def fired(self) -> bool:
        """Whether there was an alert at all."""
        return "fired" in self.seconds


class _Entry(NamedTuple):
    drill_id: str
    kind: str
    path_mark: str
    receiver_marks: tuple[str, ...]
    file: Any


class DrillHistory:
    """The past drills under ``root``, of one environment or of all; see :meth:`under`."""

    def __init__(self, root: PathLike, environment: str | None = None) -> None:
        self._root: Any = root
        self._environment = environment if environment is None else identifier(environment, "environment")

    @classmethod
    def under(cls, artifact_root: PathLike, environment: str | None = None) -> DrillHistory:
        """Return the past drills that lie under an artifact root.

        Raises:
            InvalidInputError: if ``environment`` is no identifier.
        """
        return cls(artifact_root / FOLDER, environment)

    def add(self, results: AlertTestResults) -> None:
        """Keep every drill of ``results``; adding a drill again replaces what was kept of it.

        A drill that could not be fired is kept too: it had its turn. One that was held back is not.

        Raises:
            InvalidInputError: if an id, environment or service of the results is no identifier.
        """
        for drill in results.drills:
            if is_not_drilled(drill):
                continue
            past = _kept(drill, results)
            name = _SEPARATOR.join(
                (
                    identifier(drill.drill_id, "drill_id"),
                    drill.kind,
                    path_mark(drill.severity, drill.receiver, drill.route),
                    *_receiver_marks(past.receivers),
                )
            )
            folder = self._root / identifier(results.environment, "environment") / f"{_begun(past):%Y-%m}"
            file = folder / identifier(drill.service, "service") / f"{name}.json"
            write_whole(file, past.model_dump_json().encode())

    def recent(
        self,
        *,
        service: str | None = None,
        receiver: str | None = None,
        limit: int = RECENT,
        since: datetime | None = None,
    ) -> tuple[PastDrill, ...]:
        """Return the newest past drills, newest first: of a service, to a receiver, due after ``since``.

        At most ``limit``. A file that cannot be read is left out, with a line in the log.

        Raises:
            InvalidInputError: if ``service`` is no identifier.
        """
        wanted = None if receiver is None else {receiver}
        return self._newest(wanted, limit, service=service, since=since)

    def statistics(
        self, *, receivers: Iterable[str] | None = None, limit: int = STATISTICS_OVER
    ) -> tuple[HopHistory, ...]:
        """Return how long hops took, by kind, receiver and hop: the median, the worst, and which that was.

        Seconds count from the moment a drill was due to fire, as ``latency`` does in the results. Over the
        newest ``limit`` drills (to one of ``receivers``, if given), each counted where a hop was seen,
        whatever its verdict.
        """
        wanted = None if receivers is None else set(receivers)
        seen: dict[tuple[Kind, str, HopName], list[tuple[float, str]]] = defaultdict(list)
        for drill in self._newest(wanted, limit):
            for hop, seconds in drill.seconds.items():
                if drill.receiver is not None:
                    seen[drill.kind, drill.receiver, hop].append((seconds, drill.drill_id))
        order = sorted(seen, key=lambda key: (key[1], key[0] != "full", HOPS.index(key[2])))
        return tuple(_hop_history(*key, seen[key]) for key in order)

    def last_turns(self, service: str, kind: Kind, marks: Iterable[str]) -> dict[str, str]:
        """Return the id of the newest drill of ``kind`` on each path of ``service`` that had one.

        Paths are named by :func:`path_mark`. Ids are in the order of time. No file is read.

        Raises:
            InvalidInputError: if ``service`` is no identifier.
        """
        left, found = set(marks), {}
        for entry in self._entries(identifier(service, "service")):
            if not left:
                break
            if entry.kind == kind and entry.path_mark in left:
                found[entry.path_mark] = entry.drill_id
                left.remove(entry.path_mark)
        return found

    def _newest(
        self,
        receivers: set[str] | None,
        limit: int,
        *,
        service: str | None = None,
        since: datetime | None = None,
    ) -> tuple[PastDrill, ...]:
        place = None if service is None else identifier(service, "service")
        marks = None if receivers is None else {_ANY, *(_digest(name) for name in receivers)}
        named = (
            entry
            for entry in self._entries(place, since)
            if marks is None or marks.intersection(entry.receiver_marks)
        )
        found: list[PastDrill] = []
        # Names can promise too much (a damaged file, equal digests): what is left out is made up for, once.
        for _ in range(2):
            read = _read_all(islice(named, max(0, limit - len(found))))
            found += [
                drill
                for drill in read
                if (receivers is None or receivers.intersection(drill.receivers))
                and (since is None or drill.at > since)
            ]
        return tuple(sorted(found, key=lambda drill: drill.drill_id, reverse=True))

    def _entries(self, service: str | None, since: datetime | None = None) -> Iterator[_Entry]:
        """Yield the drills by their names, newest first, month by month."""
        first = "" if since is None else f"{since.astimezone(UTC) - timedelta(days=1):%Y-%m}"
        for month in sorted(self._months(), reverse=True):
            if month < first:  # by the time in the id, some seconds before a drill is due
                return
            entries = [
                entry
                for environment in self._environments()
                for file in _files(environment / month if service is None else environment / month / service)
                if (entry := _entry(file)) is not None
            ]
            yield from sorted(entries, key=lambda entry: entry.drill_id, reverse=True)

    def _environments(self) -> list[Any]:
        if self._environment is not None:
            return [self._root / self._environment]
        return [self._root / name for name in _names(self._root)]

    def _months(self) -> set[str]:
        return {
            name
            for environment in self._environments()
            for name in _names(environment)
            if _MONTH.fullmatch(name)
        }


def path_mark(severity: str, receiver: str | None, route: Sequence[str]) -> str:
    """Return a short digest of the path of a drill within its service."""
    return _digest("\n".join((severity, receiver or "", *route)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _receiver_marks(receivers: Sequence[str]) -> list[str]:
    return [_ANY] if len(receivers) > MOST_MARKS else [_digest(name) for name in receivers]


def _kept(drill: DrillResult, results: AlertTestResults) -> PastDrill:
    latencies = {hop: getattr(drill.hops, hop).latency for hop in HOPS}
    return PastDrill(
        drill_id=drill.drill_id,
        kind=drill.kind,
        environment=results.environment,
        release_id=results.release_id,
        service=drill.service,
        severity=drill.severity,
        receiver=drill.receiver,
        receivers=receivers_of(drill),
        route=drill.route,
        at=due_at(drill) or results.generated_at,
        seconds={hop: latency for hop, latency in latencies.items() if latency is not None},
        verdict=drill.verdict,
    )


def _begun(drill: PastDrill) -> datetime:
    """Return the time in the drill's id, which stays the same when its results are written again."""
    if begun := _BEGUN.match(drill.drill_id):
        try:
            return datetime.strptime(begun[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            pass
    return drill.at.astimezone(UTC)


def _hop_history(kind: Kind, receiver: str, hop: HopName, seen: Sequence[tuple[float, str]]) -> HopHistory:
    worst_seconds, worst_drill_id = max(seen)
    return HopHistory(
        kind=kind,
        receiver=receiver,
        hop=hop,
        drills=len(seen),
        p50_seconds=round(median(seconds for seconds, _ in seen), 3),
        worst_seconds=worst_seconds,
        worst_drill_id=worst_drill_id,
    )


def _names(folder: Any) -> list[str]:
    try:
        return sorted(child.name for child in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _files(folder: Any) -> Iterator[Any]:
    if folder.exists():
        yield from folder.rglob("*.json")


def _entry(file: Any) -> _Entry | None:
    parts = str(file.name).removesuffix(".json").split(_SEPARATOR)
    if len(parts) < 3:
        return None  # nothing that add() wrote
    return _Entry(parts[0], parts[1], parts[2], tuple(parts[3:]), file)


def _read_all(entries: Iterable[_Entry]) -> list[PastDrill]:
    with ThreadPoolExecutor(READERS) as pool:
        return [drill for drill in pool.map(_read, [entry.file for entry in entries]) if drill is not None]


def _read(file: Any) -> PastDrill | None:
    try:
        return PastDrill.model_validate_json(file.read_bytes())
    except (ValidationError, OSError) as error:
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        log.warning("Past drill %s cannot be read and is left out: %s", file, problem)
        return None
