"""Several runbooks made one, so that what people wrote in any of them goes on in the next."""

from __future__ import annotations

from collections.abc import Sequence

from release_watch.handoff.runbook_parts import Block, Piece, kept_aside, out_of_force, read_pieces


def joined(runbooks: Sequence[str]) -> str | None:
    """Return the first of ``runbooks`` with what people wrote in the others; None without any.

    A note, and a part that the first has not, stands behind the part behind which it stood. What is there
    already, word by word, is not repeated. A runbook with damaged marks is taken as a note as a whole.
    """
    if not runbooks:
        return None
    pieces = _pieces(runbooks[0])
    for other in runbooks[1:]:
        _take_over(pieces, _pieces(other))
    return "".join(map(str, pieces))


def _pieces(runbook: str) -> list[Piece]:
    found = read_pieces(runbook)
    return [out_of_force(runbook)] if found is None else found


def _take_over(pieces: list[Piece], others: Sequence[Piece]) -> None:
    """Put into ``pieces`` what only ``others`` have; ``at`` is where the next of them belongs."""
    at = len(pieces) if others and isinstance(others[0], str) else 0
    for other in others:
        if isinstance(other, Block):
            there = next((i for i, one in enumerate(pieces) if _is(one, other.name)), None)
            if there is None:
                pieces[at:at] = ["\n\n", other, "\n\n"]
                at += 2
                continue
            at = there + 1
            note = kept_aside(other) if other.edited and not _is_said(pieces, other.content) else ""
        else:
            note = "" if _is_said(pieces, other.strip()) else f"\n\n{other}"
        if note:
            pieces.insert(at, note)
            at += 1


def _is(piece: Piece, name: str) -> bool:
    return isinstance(piece, Block) and piece.name == name


def _is_said(pieces: Sequence[Piece], words: str) -> bool:
    return any(words in (one.content if isinstance(one, Block) else one) for one in pieces)
