"""What people approved and was put into force: kept, so that it outlives the release it was tried on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from release_watch.artifacts.models import SCHEMA_VERSION, Approval
from release_watch.artifacts.store import PathLike
from release_watch.assurance.tuning.matching import places, same_as_tested
from release_watch.assurance.tuning.proposal import TuningProposal
from release_watch.clock import Timestamp, rfc3339
from release_watch.errors import InvalidInputError
from release_watch.files import uri_of, write_whole
from release_watch.identifiers import identifier, is_identifier
from release_watch.slo.rulefile import from_yaml

FOLDER = "tuning"
State = Literal["active", "pending adoption"]


class Applied(BaseModel):
    """A proposal that was put into force: the digest of what was approved, by whom, where and when.

    ``state`` is ``pending adoption`` if the rule was handed over and was not seen running yet.
    """

    model_config = ConfigDict(frozen=True)

    proposal: TuningProposal
    digest: str
    approval: Approval
    release_id: str
    rule_set: str
    applied_at: Timestamp
    state: State

    @property
    def line(self) -> str:
        """What was changed, since when, and who approved it."""
        tuned, who = self.proposal, self.approval
        return (
            f"{tuned.alert} of {tuned.service}: {tuned.change}; in force since {rfc3339(self.applied_at)}, "
            f"approved by {who.responded_by} ({who.role}), {tuned.proposal_id}"
        )


class TakenBack(BaseModel):
    """A change that was taken back. ``state`` is ``not in force`` if no rule was as proposed any more."""

    model_config = ConfigDict(frozen=True)

    applied: Applied
    approval: Approval
    release_id: str
    taken_back_at: Timestamp
    state: Literal[State, "not in force"]


class KeptTuning(BaseModel):
    """All that became of one proposal.

    ``applied`` is what is in force, oldest first: each is a change of the rule as the one before left it.
    ``taken_back`` are those that people took back, ``replaced`` those that a newer approval replaced.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: str = SCHEMA_VERSION
    proposal_id: str
    environment: str
    applied: tuple[Applied, ...] = ()
    taken_back: tuple[TakenBack, ...] = ()
    replaced: tuple[Applied, ...] = ()

    @property
    def last(self) -> Applied | None:
        """What was put into force last; None if all of it was taken back."""
        return self.applied[-1] if self.applied else None

    def document(self) -> bytes:
        """Return the JSON that is kept; who takes the change back approves these bytes."""
        plain = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return f"{json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False)}\n".encode()

    def put_into_force(self, applied: Applied) -> KeptTuning:
        """Return this with ``applied`` in force; nothing changes if that very document is already."""
        if self.last is not None and self.last.digest == applied.digest:
            return self
        if self.last is None or same_as_tested(self.last.proposal.proposed, applied.proposal.current):
            return self.model_copy(update={"applied": (*self.applied, applied)})
        replaced = (*self.replaced, *self.applied)
        return self.model_copy(update={"applied": (applied,), "replaced": replaced})

    def take_back(self, taken: TakenBack) -> KeptTuning:
        """Return this without what was put into force last, if that is what was taken back."""
        if self.last != taken.applied:
            return self
        return self.model_copy(update={"applied": self.applied[:-1], "taken_back": (*self.taken_back, taken)})


class Readable(NamedTuple):
    """What is kept, and which files could not be read."""

    tunings: tuple[KeptTuning, ...] = ()
    problems: tuple[str, ...] = ()


class KeptTunings:
    """``<root>/tuning/<environment>/<proposal_id>.json``, one file for each proposal."""

    def __init__(self, root: PathLike, environment: str) -> None:
        self.environment = identifier(environment, "environment")
        self._folder: Any = root / FOLDER / self.environment

    def uri_of(self, proposal_id: str) -> str:
        """Return where a proposal is kept, whether or not it is."""
        return uri_of(self._path(proposal_id))

    def get(self, proposal_id: str) -> KeptTuning | None:
        """Return what became of a proposal; None if it was never put into force.

        Raises:
            InvalidInputError: if the file was damaged.
        """
        path = self._path(proposal_id)
        if not path.exists():
            return None
        try:
            return KeptTuning.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidInputError(
                [f"{uri_of(path)}: {where}: {first['msg']}; repair it, or remove it and approve again"]
            ) from error

    def in_force(self, services: Iterable[str] | None = None) -> Readable:
        """Return the changes in force, by default of all services; a damaged file hides no other."""
        found, wanted = self.all(), None if services is None else set(services)
        ours = (one for one in found.tunings if one.last)
        return found._replace(
            tunings=tuple(
                one for one in ours if wanted is None or (one.last and one.last.proposal.service in wanted)
            )
        )

    def all(self) -> Readable:
        """Return all that is kept, also what was taken back; a damaged file hides no other."""
        found: list[KeptTuning] = []
        problems: list[str] = []
        for name in self._names():
            try:
                one = self.get(name)
            except InvalidInputError as error:
                problems += error.problems
                continue
            found += [one] if one else []
        return Readable(tuple(found), tuple(problems))

    def _names(self) -> list[str]:
        if not self._folder.exists():
            return []
        names = (str(path).rpartition("/")[2].removesuffix(".json") for path in self._folder.rglob("*.json"))
        return sorted(name for name in names if is_identifier(name))

    def put_into_force(self, applied: Applied) -> KeptTuning:
        """Keep that a proposal was put into force, and return all that is kept of it; once is enough."""
        proposal_id = applied.proposal.proposal_id
        known = self.get(proposal_id)
        known = known or KeptTuning(proposal_id=proposal_id, environment=self.environment)
        return self._write(known.put_into_force(applied))

    def take_back(self, taken: TakenBack) -> KeptTuning:
        """Keep that a change was taken back, and return all that is kept of it; once is enough.

        Raises:
            InvalidInputError: if it was never put into force.
        """
        return self._write(self.known(taken.applied.proposal.proposal_id).take_back(taken))

    def known(self, proposal_id: str) -> KeptTuning:
        """Return what became of a proposal.

        Raises:
            InvalidInputError: if it was never put into force.
        """
        found = self.get(proposal_id)
        if found is None:
            where = f"proposal_id: {proposal_id!r} was never put into force in {self.environment}"
            raise InvalidInputError([f"{where}: {self.uri_of(proposal_id)} is not there"])
        return found

    def _write(self, kept: KeptTuning) -> KeptTuning:
        path, data = self._path(kept.proposal_id), kept.document()
        if not path.exists() or path.read_bytes() != data:
            write_whole(path, data)
        return kept

    def _path(self, proposal_id: str) -> Any:
        return self._folder / f"{identifier(proposal_id, 'proposal_id')}.json"


def adjustments(tunings: Sequence[KeptTuning], rules: Sequence[str]) -> tuple[str, ...]:
    """Return each approved change as a line of the tuning report; ``rules`` are the rule files in force.

    Raises:
        InvalidInputError: if a rule file cannot be read.
    """
    groups = [group for text in rules for group in from_yaml(text)]
    lines = []
    for one in tunings:
        last = one.last
        there = last and any(places(groups, last.proposal.group, last.proposal.proposed))
        gone = "" if there else "; NOT in the rules of this release, which has another rule: test it again"
        lines += [f"{applied.line}{gone}" for applied in one.applied]
    return tuple(lines)
