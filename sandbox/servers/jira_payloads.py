"""STAND-IN for Jira Cloud: what its REST API v3 refuses in the payload of an issue or a comment."""

from __future__ import annotations

import json
import re
from typing import Any

FIELDS = frozenset({"project", "issuetype", "summary", "description", "labels"})
ISSUE_TYPES = ("Bug", "Task")


class RefusedError(Exception):
    """An answer with an error status, in Jira's words."""

    def __init__(self, status: int, *messages: str, **fields: str) -> None:
        super().__init__(status, messages, fields)
        self.status = status
        self.body = {"errorMessages": list(messages), "errors": fields}


def check_fields(fields: dict[str, Any], project: str) -> None:
    """Refuse the fields of a new issue that Jira would refuse."""
    for name in sorted(fields.keys() - FIELDS):
        words = f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
        raise RefusedError(400, **{name: words})
    if fields.get("project") != {"key": project}:
        raise RefusedError(400, project="valid project is required")
    if (fields.get("issuetype") or {}).get("name") not in ISSUE_TYPES:
        raise RefusedError(400, issuetype="Specify a valid issue type")
    _check_summary(fields.get("summary"))
    for label in fields.get("labels", []):
        if re.search(r"\s", label):
            raise RefusedError(400, labels=f"The label '{label}' contains spaces which is invalid.")
        if len(label) > 255:
            raise RefusedError(400, labels=f"The label '{label}' is too long.")
    if "description" in fields:
        check_document(fields["description"], "description")


def _check_summary(summary: Any) -> None:
    if not isinstance(summary, str) or not summary.strip():
        raise RefusedError(400, summary="You must specify a summary of the issue.")
    if "\n" in summary or "\r" in summary:
        raise RefusedError(400, summary="The summary is invalid because it contains newline characters.")
    if len(summary) > 255:
        raise RefusedError(400, summary="Summary must be less than 255 characters.")


def check_document(document: Any, field: str) -> None:
    """Refuse what is no Atlassian Document of version 1; of its nodes, those of plain text are known."""
    sound = isinstance(document, dict) and document.keys() == {"version", "type", "content"}
    if not sound or (document["version"], document["type"]) != (1, "doc"):
        raise RefusedError(
            400, **{field: "Operation value must be an Atlassian Document (see the documentation)"}
        )
    if len(json.dumps(document)) > 200_000 or _length(document) > 32_767:
        raise RefusedError(
            400, **{field: "The entered text is too long. It exceeds the allowed limit of 32,767."}
        )
    for block in document["content"]:
        if block.keys() != {"type", "content"} or block["type"] != "paragraph":
            raise RefusedError(400, **{field: f"INVALID_INPUT: no paragraph: {block}"})
        for node in block["content"]:
            text = node.keys() == {"type", "text"} and node["type"] == "text" and node["text"]
            if not (text or node == {"type": "hardBreak"}):
                raise RefusedError(400, **{field: f"INVALID_INPUT: no inline node: {node}"})


def plain(document: dict[str, Any]) -> str:
    """Return the text of a document, for people and tests."""
    blocks = ("".join(node.get("text", "\n") for node in block["content"]) for block in document["content"])
    return "\n\n".join(blocks)


def _length(document: dict[str, Any]) -> int:
    return sum(
        len(node.get("text", "")) for block in document["content"] for node in block.get("content", ())
    )
