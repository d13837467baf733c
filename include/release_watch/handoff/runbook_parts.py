"""A document of generated parts between which people write: parts are renewed, and what people wrote stays.

Each part lies between two marks, alone on their lines. Everything outside of them is kept byte for byte. A
part that was moved is renewed where it is now; one that was removed comes back; one that was edited is kept
as it was below the new one; and where the marks themselves were damaged, the whole old text is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

from release_watch.markdown import code, code_block

_MARK = re.compile(
    r"^\ufeff?[ \t]*(?P<mark><!-- *release-watch:(?P<kind>begin|end) (?P<name>\S+)"
    r"(?: (?P<digest>[0-9a-f]{12}))? *-->)"
    r"(?=[ \t\r]*$)",
    re.MULTILINE,
)
_LOOKS_LIKE_A_MARK = re.compile(r"^(\ufeff?[ \t]*<!-- *)release-watch:", re.MULTILINE)
_MIGHT_BE_A_MARK = re.compile(r"(<!-- *)release-watch:")
_LAYOUT = re.compile(r"\s+|-{3,}")

_EDITED = (
    "> The part above, {name}, had been edited between its marks and was written anew. What it said before "
    "is kept here: move what matters out of the marks, and remove the rest."
)
_ENDED = (
    "> A part stood here, {name}, that is generated no more and had been edited between its marks. What it "
    "said is kept here: keep what matters, and remove the rest."
)
_REMOVED = (
    "> The part below, {name}, had been removed. It is written as long as what it describes exists; this "
    "note can go."
)
_DAMAGED = (
    "> The marks of the generated parts had been damaged, so that nobody could tell what people wrote. The "
    "runbook above was made anew, and the whole text from before is kept below, with its marks put out of "
    "force: move what people wrote to where it belongs, and remove the rest."
)


class Part(NamedTuple):
    """A generated part: a name without white space, and what is written."""

    name: str
    content: str


class Block(NamedTuple):
    """A part between its marks.

    Of one that was found in a document ``digest`` is what its mark says of the content, and ``found`` is how
    it stands there: what is not written anew stays as it is, edited or not.
    """

    name: str
    content: str
    digest: str | None = None
    found: str | None = None

    @property
    def edited(self) -> bool:
        """Whether the content is another than was written, or nobody can tell, as its mark does not say.

        White space and the rules of tables are layout, which a formatter may change.
        """
        return self.digest != _digest(self.content)

    def __str__(self) -> str:
        """Return the block with its marks."""
        return self.found or (
            f"<!-- release-watch:begin {self.name} {_digest(self.content)} -->\n{self.content}\n"
            f"<!-- release-watch:end {self.name} -->"
        )


Piece = str | Block
"""What people wrote, or a part."""


def read_pieces(text: str) -> list[Piece] | None:
    """Return the pieces of a document, in order; None if its marks were damaged."""
    marks = list(_MARK.finditer(text))
    if len(marks) != len(_LOOKS_LIKE_A_MARK.findall(text)) or len(marks) % 2:
        return None
    pieces: list[Piece] = []
    seen: set[str] = set()
    at = 0
    for begin, end in zip(marks[::2], marks[1::2], strict=True):
        name = begin["name"]
        if (begin["kind"], end["kind"], end["name"]) != ("begin", "end", name) or name in seen:
            return None
        seen.add(name)
        content = text[begin.end() : end.start()].strip("\r\n\t ")
        found = text[begin.start("mark") : end.end()]
        pieces += [text[at : begin.start("mark")], Block(name, content, begin["digest"], found)]
        at = end.end()
    return [piece for piece in [*pieces, text[at:]] if piece]


def amended(
    existing: str,
    parts: Sequence[Part],
    *,
    retired: Collection[str] = (),
    known: Collection[str] = (),
    contents: Callable[[Sequence[Block]], Part],
) -> str:
    """Return ``existing`` with its parts renewed.

    Args:
        existing: the document so far; empty if there is none.
        parts: what is generated now, in the order of a new document.
        retired: names of parts that go.
        known: names of parts that were there when the document was written last.
        contents: gives the table of contents of all parts as they stand in the end.
    """
    pieces = read_pieces(existing)
    if pieces is None:
        pieces = ["\n\n" + _DAMAGED + "\n\n" + out_of_force(existing)]
        known = ()
    index = Part(contents(()).name, "")
    generated = [parts[0], index, *parts[1:]] if parts else [index]
    pieces = _with_missing(pieces, generated, known)
    pieces = _all_renewed(pieces, parts, retired)
    pieces = _all_renewed(pieces, [contents([piece for piece in pieces if isinstance(piece, Block)])])
    return "".join(map(str, pieces)) + ("\n" if isinstance(pieces[-1], Block) else "")


def _with_missing(pieces: Iterable[Piece], generated: Sequence[Part], known: Collection[str]) -> list[Piece]:
    """Return the pieces with each part that is not there put behind the one that it follows."""
    found = list(pieces)
    there = {piece.name for piece in found if isinstance(piece, Block)}
    before: str | None = None
    for part in generated:
        if part.name not in there:
            block: list[Piece] = [Block(part.name, part.content)]
            if part.name in known:
                block.insert(0, _REMOVED.format(name=code(part.name)) + "\n\n")
            if before is None:
                found[:0] = [*block, "\n\n"] if found else block
            else:
                position = next(
                    i for i, one in enumerate(found) if isinstance(one, Block) and one.name == before
                )
                found[position + 1 : position + 1] = ["\n\n", *block]
        before = part.name
    return found


def _all_renewed(
    pieces: Iterable[Piece], parts: Iterable[Part], retired: Collection[str] = ()
) -> list[Piece]:
    new = {part.name: part.content for part in parts}
    return [one for piece in pieces for one in _renewed(piece, new, retired)]


def _renewed(piece: Piece, new: dict[str, str], retired: Collection[str]) -> list[Piece]:
    if isinstance(piece, str) or (piece.name not in new and piece.name not in retired):
        return [piece]
    content = new.get(piece.name)
    renewed: list[Piece] = [] if content is None else [Block(piece.name, content)]
    if piece.edited and not _says(content or "", piece.content):
        renewed.append(kept_aside(piece, _ENDED if content is None else _EDITED))
    return renewed


def _says(content: str, before: str) -> bool:
    return before in content or _digest(content) == _digest(before)


def kept_aside(block: Block, words: str = _EDITED) -> str:
    """Return what a block says as text for people, who see why it is there."""
    return f"\n\n{words.format(name=code(block.name))}\n\n{code_block(block.content, 'markdown')}"


def inert(content: str) -> str:
    """Return generated ``content`` so that nothing in it is a mark."""
    return _MIGHT_BE_A_MARK.sub(r"\1release-watch :", content).strip("\r\n\t ")


def out_of_force(text: str) -> str:
    """Return a document so that none of its marks counts any more; nothing else of it is changed."""
    return _LOOKS_LIKE_A_MARK.sub(r"\1was release-watch:", text)


def _digest(content: str) -> str:
    return sha256(_LAYOUT.sub("", content).encode("utf-8", "surrogatepass")).hexdigest()[:12]
