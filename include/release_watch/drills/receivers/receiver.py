"""A receiver's own record of a drill, and all the receivers of a release read as one."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from release_watch.drills.receipts import Acknowledgement, Page, Receipt, Receipts, Status
from release_watch.errors import BackendError

if TYPE_CHECKING:
    from release_watch.catalog.policies import ReceiverKind

ASK_EVERY: Mapping[ReceiverKind, timedelta] = {
    "embedded": timedelta(0),
    "alerta": timedelta(seconds=1),
    "mail": timedelta(seconds=2),
    # Its REST API allows 960 requests a minute for a key that others use too.
    "pagerduty": timedelta(seconds=5),
}
"""How long an answer that may still change is good for: drills are followed four times a second."""

AnswerT = TypeVar("AnswerT")
Question = Literal["firing", "resolved", "acknowledgement", "pages"]


class Receiver(Protocol):
    """One receiver of Alertmanager, as the system behind it tells of it."""

    @property
    def name(self) -> str:
        """Its name in Alertmanager's configuration."""
        ...

    @property
    def kind(self) -> ReceiverKind:
        """What system is behind it."""
        ...

    def receipt(self, drill_id: str, status: Status) -> Receipt | None:
        """Return the receiver's record of the first notice of this drill and status, None if it has none."""
        ...

    def acknowledgement(self, drill_id: str) -> Acknowledgement | None:
        """Return the person who answered the drill first, None while nobody has or where it cannot tell."""
        ...

    def pages(self, drill_id: str) -> tuple[Page, ...]:
        """Return who was told, at which level, when; none where it does not tell."""
        ...


class EmbeddedReceiver:
    """The receiver of this package: its record are the receipts, its answer a person's in Airflow."""

    kind: ReceiverKind = "embedded"

    def __init__(self, name: str, receipts: Receipts) -> None:
        self.name = name
        self._receipts = receipts

    def receipt(self, drill_id: str, status: Status) -> Receipt | None:
        """Return the first receipt of this drill and status at this receiver."""
        return self._receipts.find(drill_id, status, [self.name])

    def acknowledgement(self, drill_id: str) -> Acknowledgement | None:
        """Return who answered the question in Airflow."""
        return self._receipts.acknowledgement(drill_id)

    def pages(self, drill_id: str) -> tuple[Page, ...]:
        """Return whom this package told."""
        return self._receipts.pages(drill_id)


class Receivers:
    """All receivers of a release read as one; implements ``release_watch.drills.receipts.Records``.

    ``others`` are the receivers, by Alertmanager's name, whose record a system of its own keeps; every other
    name is the embedded receiver's. What was found stands and is not asked again; what was not found yet is
    asked again after ``ask_every``. All methods raise BackendError where a receiver does not answer that is
    needed for the answer, and its subclass ReceiverRefusedError where it refuses the key.
    """

    def __init__(
        self,
        receipts: Receipts,
        others: Mapping[str, Receiver] | None = None,
        *,
        ask_every: Mapping[ReceiverKind, timedelta] = ASK_EVERY,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._receipts = receipts
        self._others = dict(others or {})
        self._ask_every = ask_every
        self._monotonic = monotonic
        self._known: dict[Hashable, tuple[float, Any]] = {}

    def find(self, drill_id: str, status: Status, receivers: Iterable[str] | None = None) -> Receipt | None:
        """Return the earliest receipt of this drill and status (at one of ``receivers``, if given), or None.

        Raises:
            InvalidInputError: if ``drill_id`` is no identifier.
        """
        names = None if receivers is None else list(receivers)
        own = None if names is None else [name for name in names if name not in self._others]
        asked: list[Callable[[], Receipt | None]] = []
        if own is None or own:
            asked.append(lambda: self._receipts.find(drill_id, status, own))
        for name, receiver in self._others.items():
            if names is None or name in names:
                asked.append(partial(self._receipt, receiver, drill_id, status))
        return _earliest(asked, lambda receipt: receipt.at)

    def missing(self, drill_id: str, status: Status, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of the receivers ``names`` that have no receipt of this drill and status, in order."""
        return tuple(name for name in names if self.find(drill_id, status, [name]) is None)

    def acknowledgement(self, drill_id: str) -> Acknowledgement | None:
        """Return who answered the drill first, in Airflow or at a receiver; None while nobody has."""
        asked: list[Callable[[], Acknowledgement | None]] = [
            partial(self._receipts.acknowledgement, drill_id)
        ]
        for receiver in self._others.values():
            asked.append(partial(self._acknowledged, receiver, drill_id))
        return _earliest(asked, lambda given: given.at)

    def pages(self, drill_id: str) -> tuple[Page, ...]:
        """Return who was told by whom, by level and time."""
        told = list(self._receipts.pages(drill_id))
        for receiver in self._others.values():
            told += self._remembered(receiver, drill_id, "pages", partial(receiver.pages, drill_id))
        return tuple(sorted(told, key=lambda page: (page.level, page.at)))

    def _receipt(self, receiver: Receiver, drill_id: str, status: Status) -> Receipt | None:
        return self._remembered(receiver, drill_id, status, partial(receiver.receipt, drill_id, status))

    def _acknowledged(self, receiver: Receiver, drill_id: str) -> Acknowledgement | None:
        if self._receipt(receiver, drill_id, "firing") is None:
            return None
        ask = partial(receiver.acknowledgement, drill_id)
        return self._remembered(receiver, drill_id, "acknowledgement", ask)

    def _remembered(
        self,
        receiver: Receiver,
        drill_id: str,
        question: Question,
        ask: Callable[[], AnswerT],
    ) -> AnswerT:
        key = (receiver.name, drill_id, question)
        moment = self._monotonic()
        if (known := self._known.get(key)) is not None:
            asked, answer = known
            stands = question != "pages" and answer is not None
            if stands or moment - asked < self._ask_every[receiver.kind].total_seconds():
                return answer  # type: ignore[no-any-return]  # what `ask` answered before
        fresh = ask()
        self._known[key] = (moment, fresh)
        return fresh


def _earliest(
    asked: Iterable[Callable[[], AnswerT | None]], at: Callable[[AnswerT], datetime]
) -> AnswerT | None:
    """Return the earliest answer; a receiver that fails matters only where no other has one."""
    answers: list[AnswerT] = []
    failure: BackendError | None = None
    for ask in asked:
        try:
            answer = ask()
        except BackendError as error:
            failure = failure or error
        else:
            answers += [] if answer is None else [answer]
    if failure is not None and not answers:
        raise failure
    return min(answers, key=at, default=None)
