"""Receipts: what reached a receiver, who was paged, and who answered.

Alertmanager posts to the receiver, the receiver calls :meth:`Receipts.record`. The store lies beside the
artifacts, so that the receiver, the worker that drills and a command line see the same records.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from release_watch.artifacts.store import PathLike
from release_watch.clock import Timestamp, now
from release_watch.errors import InvalidInputError
from release_watch.files import uri_of, write_whole
from release_watch.identifiers import identifier

FOLDER = "receipts"
ACKNOWLEDGEMENT = "acknowledgement.json"
MOST_ALERTS = 500
LONGEST_NAME = 200

Status = Literal["firing", "resolved"]
RecordT = TypeVar("RecordT", bound=BaseModel)


class Acknowledgement(NamedTuple):
    """Who answered a drill, and when."""

    by: str
    at: datetime


class Receipt(BaseModel):
    """One notice about one drill, as it reached a receiver; ``sha256`` is the digest of the whole notice."""

    model_config = ConfigDict(frozen=True)

    drill_id: str
    status: Status
    receiver: str
    at: Timestamp
    fingerprint: str
    sha256: str
    uri: str = ""


class Page(BaseModel):
    """One person was told of a drill, as one level of the escalation; 1 is who is on call first.

    ``person`` is the Airflow user id, or the pager's own name of the person. ``channel`` is how (``email``,
    ``airflow``, ...), ``proof`` is what shows it.
    """

    model_config = ConfigDict(frozen=True)

    drill_id: str
    level: int = Field(ge=1)
    role: str
    person: str = Field(min_length=1)
    at: Timestamp
    channel: str
    proof: str | None = None


def proof_of(receipts: Sequence[Receipt]) -> str:
    """Return what proves a hop: the record and the digest of each receipt, with its receiver if several."""
    if len(receipts) == 1:
        return f"{receipts[0].uri} sha256:{receipts[0].sha256}"
    return "; ".join(f"{receipt.receiver}: {receipt.uri} sha256:{receipt.sha256}" for receipt in receipts)


class Records(Protocol):
    """What drills read of receivers: the receivers' own records of what reached them and of who answered.

    A receiver that is a server of its own may raise ``release_watch.errors.BackendError``.
    """

    def find(self, drill_id: str, status: Status, receivers: Iterable[str] | None = None) -> Receipt | None:
        """Return the earliest receipt of this drill and status (at one of ``receivers``, if given)."""
        ...

    def missing(self, drill_id: str, status: Status, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of the receivers ``names`` that have no record, in their order."""
        ...

    def acknowledgement(self, drill_id: str) -> Acknowledgement | None:
        """Return who answered the drill and when, None while nobody has."""
        ...

    def pages(self, drill_id: str) -> tuple[Page, ...]:
        """Return who was told, by level and time."""
        ...


class _Acknowledged(BaseModel):
    by: str
    at: Timestamp


class _Alert(BaseModel):
    status: Status
    labels: dict[str, str]
    fingerprint: str = ""


class _Notice(BaseModel):
    receiver: str
    alerts: list[_Alert]


class Receipts:
    """The receipts under ``root``, which is ``<artifact root>/receipts``; see :meth:`under`."""

    def __init__(self, root: PathLike) -> None:
        self._root: Any = root

    @classmethod
    def under(cls, artifact_root: PathLike) -> Receipts:
        """Return the receipts that lie under an artifact root."""
        return cls(artifact_root / FOLDER)

    def record(self, payload: Any, at: datetime | None = None) -> tuple[Receipt, ...]:
        """Store what an Alertmanager webhook notice (version 4) says about drills, and return it.

        Alerts that are no drill are left alone: they come the same way, and are none of our business here.
        The first receipt of a drill, status and receiver stands: repeated notices change nothing.

        Raises:
            InvalidInputError: if the payload is no webhook notice, or a drill's id is no identifier.
        """
        notice = _notice(payload)
        drills = [alert for alert in notice.alerts if alert.labels.get("drill") == "true"]
        digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
        receipts = [
            Receipt(
                drill_id=identifier(alert.labels.get("drill_id"), "alerts.labels.drill_id"),
                status=alert.status,
                receiver=notice.receiver[:LONGEST_NAME],
                at=at or now(),
                fingerprint=alert.fingerprint[:LONGEST_NAME],
                sha256=digest,
            )
            for alert in drills
        ]
        return tuple(self._keep_first(receipt) for receipt in receipts)

    def find(self, drill_id: str, status: Status, receivers: Iterable[str] | None = None) -> Receipt | None:
        """Return the earliest receipt of this drill and status (at one of ``receivers``, if given), or None.

        Raises:
            InvalidInputError: if ``drill_id`` is no identifier.
        """
        folder = self._folder(drill_id)
        if not folder.exists():
            return None
        wanted = None if receivers is None else set(receivers)
        found = [
            receipt
            for path in folder.rglob(f"{status}-*.json")
            if (receipt := _read(path, Receipt)) is not None
            and (wanted is None or receipt.receiver in wanted)
        ]
        return min(found, key=lambda receipt: receipt.at, default=None)

    def missing(self, drill_id: str, status: Status, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of the receivers ``names`` that have no receipt of this drill and status, in order.

        Raises:
            InvalidInputError: if ``drill_id`` is no identifier.
        """
        return tuple(name for name in names if self.find(drill_id, status, [name]) is None)

    def record_page(self, page: Page) -> Page:
        """Record that a person was told, and return the record that stands: a level's first to that person.

        Raises:
            InvalidInputError: if the id is no identifier.
        """
        who = hashlib.sha256(page.person.encode()).hexdigest()[:12]
        path = self._folder(page.drill_id) / f"page-{page.level}-{who}.json"
        earlier = _read(path, Page) if path.exists() else None
        if earlier is None:
            write_whole(path, page.model_dump_json().encode())
        return earlier or page

    def pages(self, drill_id: str) -> tuple[Page, ...]:
        """Return who was told of the drill, by level and time.

        Raises:
            InvalidInputError: if ``drill_id`` is no identifier.
        """
        folder = self._folder(drill_id)
        if not folder.exists():
            return ()
        found = [page for path in folder.rglob("page-*.json") if (page := _read(path, Page)) is not None]
        return tuple(sorted(found, key=lambda page: (page.level, page.at)))

    def acknowledge(self, drill_id: str, by: str, at: datetime | None = None) -> Acknowledgement:
        """Record that ``by`` answered the drill, and return the acknowledgement that stands: the first.

        Raises:
            InvalidInputError: if nobody is named, the id is no identifier, or the drill has reached no
            receiver.
        """
        if not by.strip():
            raise InvalidInputError(["by: '' names nobody; an acknowledgement needs the person who gives it"])
        if self.find(drill_id, "firing") is None:
            raise InvalidInputError(
                [f"drill_id: {drill_id!r} has reached no receiver; acknowledge a drill that was delivered"]
            )
        earlier = self.acknowledgement(drill_id)
        if earlier is not None:
            return earlier
        given = _Acknowledged(by=by.strip()[:LONGEST_NAME], at=at or now())
        write_whole(self._folder(drill_id) / ACKNOWLEDGEMENT, given.model_dump_json().encode())
        return Acknowledgement(given.by, given.at)

    def acknowledgement(self, drill_id: str) -> Acknowledgement | None:
        """Return who answered the drill and when, None while nobody has."""
        path = self._folder(drill_id) / ACKNOWLEDGEMENT
        if not path.exists():
            return None
        given = _Acknowledged.model_validate_json(path.read_bytes())
        return Acknowledgement(given.by, given.at)

    def _keep_first(self, receipt: Receipt) -> Receipt:
        # A receiver's name is free text in Alertmanager, so its digest makes the file name.
        place = hashlib.sha256(receipt.receiver.encode()).hexdigest()[:12]
        path = self._folder(receipt.drill_id) / f"{receipt.status}-{place}.json"
        earlier = _read(path, Receipt) if path.exists() else None
        if earlier is not None:
            return earlier
        receipt = receipt.model_copy(update={"uri": uri_of(path)})
        write_whole(path, receipt.model_dump_json().encode())
        return receipt

    def _folder(self, drill_id: str) -> Any:
        return self._root / identifier(drill_id, "drill_id")


def _notice(payload: Any) -> _Notice:
    try:
        notice = _Notice.model_validate(payload)
    except ValidationError as error:
        raise InvalidInputError(
            [
                f"{'.'.join(str(part) for part in problem['loc']) or 'body'}: {problem['msg']}; "
                "send Alertmanager's webhook notice (version 4)"
                for problem in error.errors()[:5]
            ]
        ) from error
    if len(notice.alerts) > MOST_ALERTS:
        raise InvalidInputError(
            [
                f"alerts: {len(notice.alerts)} in one notice, at most {MOST_ALERTS}; set the webhook's "
                "max_alerts"
            ]
        )
    return notice


def _read(path: Any, model: type[RecordT]) -> RecordT | None:
    try:
        return model.model_validate_json(path.read_bytes())
    except (ValidationError, FileNotFoundError):
        return None  # a record that cannot be read proves nothing
