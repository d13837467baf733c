"""Which SLOs can be tested at the same time: none reads what is made up for another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from release_watch.slo.unit_tests.cells import Examples
from release_watch.slo.unit_tests.sources import Source, shared
from release_watch.slo.unit_tests.subjects import Subject


class Batch(NamedTuple):
    """SLOs that are tested together, and their series; those that read the same ones share a source."""

    subjects: tuple[Subject, ...]
    sources: tuple[Source, ...]


def batches(subjects: Iterable[Subject], given: Examples) -> list[Batch]:
    """Return the SLOs in as few batches as are found: for each, all rules of the file are evaluated."""
    found: list[Batch] = []
    for subject in subjects:
        for index, batch in enumerate(found):
            if grown := _with(batch, subject, given):
                found[index] = grown
                break
        else:
            found.append(Batch((subject,), (subject.source,)))
    return found


def _with(batch: Batch, subject: Subject, given: Examples) -> Batch | None:
    """Return a batch with one more SLO; None if their series get into each other's way."""
    source: Source = subject.source
    kept = []
    for other in batch.sources:
        if not _meet(source, other):
            kept.append(other)
        elif (both := shared(other, source, given)) is None:
            return None
        else:
            source = both
    if any(_meet(source, other) for other in kept):
        return None
    return Batch((*batch.subjects, subject), (*kept, source))


def _meet(one: Source, other: Source) -> bool:
    return one.disturbs(other) or other.disturbs(one)
