"""What the three ways have in common, and which of them an environment uses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Literal, NamedTuple, Protocol

from release_watch.slo.ownership import Ownership
from release_watch.telemetry.metrics import Metrics
from release_watch.transport import Transport

Kind = Literal["directory", "ruler", "gitops"]


class RuleServer(NamedTuple):
    """The server that runs rules: where its rules are listed, and where an expression can be tried.

    ``manages_itself``: it says of itself when it was reloaded, what it keeps and where it sends alerts, as
    Prometheus does and a ruler does not.
    """

    transport: Transport
    metrics: Metrics
    manages_itself: bool = True


class Unfinished(NamedTuple):
    """A change that was cut off: what stood there before."""

    former: Mapping[str, str | None]
    ownership: Ownership


class RuleTarget(Protocol):
    """Where rule sets are put, so that a server runs them. Rule sets are rule files as text, with a name.

    Every method raises ``BackendError`` if a server that it needs does not answer or refuses.
    """

    @property
    def kind(self) -> Kind:
        """Which of the three ways it is."""
        ...

    @property
    def server(self) -> RuleServer:
        """The server that runs the rules."""
        ...

    @property
    def patience(self) -> timedelta:
        """How long what was put may take until it is live, at least; 0 if :meth:`load` brings it at once."""
        ...

    def place(self, name: str) -> str:
        """Return where the rule set is, for people."""
        ...

    def listed_as(self, name: str) -> str | None:
        """Return the last part of the file under which the server lists the rule set; None if unknown."""
        ...

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of the rule sets there are that begin with ``prefix``, sorted."""
        ...

    def read(self, name: str) -> str | None:
        """Return a rule set as a rule file; None if it is not there."""
        ...

    def put(self, contents: Mapping[str, str | None]) -> None:
        """Put each rule set in place, and then remove those that are None."""
        ...

    def load(self) -> None:
        """Have the server take over what was put, where it has to be told."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """Keep other writers out."""
        ...

    def ownership(self) -> Ownership:
        """Return which release owns what.

        Raises:
            OwnershipError: if the record cannot be read.
        """
        ...

    def own(self, ownership: Ownership) -> None:
        """Record which release owns what."""
        ...

    def unfinished(self) -> Unfinished | None:
        """Return what a change that was cut off has replaced; None if there is none."""
        ...

    def begin(self, former: Unfinished) -> None:
        """Note what is about to be replaced."""
        ...

    def finish(self) -> None:
        """Forget what was replaced: the change stands, or is undone."""
        ...

    def broken(self, names: Collection[str]) -> list[str]:
        """Return what is wrong with other rules than the sets ``names``, whose they are, and what to do."""
        ...
