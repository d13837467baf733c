"""Text in Atlassian Document Format, version 1, as Jira Cloud's REST API v3 wants it."""

from __future__ import annotations

from typing import Any

MOST_CHARACTERS = 30_000
"""Jira takes 32,767 characters in a text field."""


def document(text: str) -> dict[str, Any]:
    """Return ``text`` as a document: paragraphs parted by empty lines, line breaks kept, markup not read."""
    shown = text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 20] + "\n(cut here)"
    blocks = [block for block in shown.replace("\r\n", "\n").split("\n\n") if block.strip()]
    return {"version": 1, "type": "doc", "content": [_paragraph(block) for block in blocks]}


def _paragraph(block: str) -> dict[str, Any]:
    nodes: list[dict[str, Any]] = []
    for line in block.strip("\n").split("\n"):
        nodes += [{"type": "hardBreak"}] if nodes else []
        nodes += [{"type": "text", "text": line}] if line else []  # an empty text is no node
    return {"type": "paragraph", "content": nodes}
