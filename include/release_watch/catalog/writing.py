"""A catalogue written as ``services.yaml``, or services added to one that people wrote by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from release_watch.catalog.documents import compose, parse_documents
from release_watch.errors import InvalidInputError

HEADER = """\
# What is deployed, who owns it, and what proves each of its signals.
# Check it with: python -m release_watch.catalog check
"""
_NO_TIER = "# tier: critical or standard"
_WIDTH = 110


class _Dumper(yaml.SafeDumper):
    """Quotes texts with the line ends that YAML knows besides LF; PyYAML writes them as they are."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = '"' if any(sign in data for sign in "\x85\u2028\u2029\ufeff") else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (the signature is PyYAML's)
        return True


_Dumper.add_representer(str, _Dumper.represent_str)


class Addition(NamedTuple):
    """Fields that a service lacks: of itself, or of its ``signals`` where ``inside`` says so."""

    place: int
    inside: str | None
    fields: Mapping[str, Any]


def written(environments: Sequence[str], services: Iterable[Mapping[str, Any]]) -> str:
    """Return ``services.yaml``; reading it gives exactly these environments and services."""
    head = [HEADER, _block({"environments": list(environments)})] if environments else [HEADER]
    blocks = [_item(service, 2) for service in services]
    return "\n".join([*head, "services:" + ("" if blocks else " []"), "\n".join(blocks)])


def extended(
    text: str, name: str, additions: Sequence[Addition], services: Sequence[Mapping[str, Any]]
) -> str:
    """Return a ``services.yaml`` with fields and services added, and every other sign of it as it was.

    Raises:
        InvalidInputError: where the text is written so that this cannot be done, or is no ``services.yaml``.
    """
    if not additions and not services:
        return text
    before, problems = parse_documents(text, name)
    if problems or len(before) != 1:
        raise InvalidInputError(problems or [f"{name}:1: document: {len(before)} found: must be one"])
    newline = "\r\n" if "\r\n" in text else "\n"
    root = compose(text)
    edits = [_edit(text, root, addition) for addition in additions]
    if services:
        edits.append(_appended(text, _value(root, "services"), services))
    result = text
    for offset, added in sorted(edits, reverse=True):
        result = result[:offset] + added.replace("\n", newline) + result[offset:]
    after, problems = parse_documents(result, name)
    if problems or len(after) != 1 or after[0].data != _expected(before[0].data, additions, services):
        words = "written in a way that cannot be added to, such as with aliases: use --out and merge by hand"
        raise InvalidInputError([f"{name}:1: document: {words}"])
    return result


def _expected(
    data: Mapping[str, Any], additions: Iterable[Addition], services: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    entries = [dict(entry) if isinstance(entry, dict) else entry for entry in data["services"]]
    for place, inside, fields in additions:
        if inside is None:
            entries[place].update(fields)
        else:
            entries[place][inside] = {**entries[place][inside], **fields}
    return {**data, "services": [*entries, *services]}


def _edit(text: str, root: yaml.Node | None, addition: Addition) -> tuple[int, str]:
    """Return where in the text the fields of an addition go, and what is put there."""
    services = _value(root, "services")
    mapping = services.value[addition.place] if services else None
    if addition.inside is not None:
        mapping = _value(mapping, addition.inside)
    if not isinstance(mapping, yaml.MappingNode):
        raise InvalidInputError(["services.yaml:1: services: no list of mappings: use --out"])
    if mapping.flow_style:
        opening = text.index("{", mapping.start_mark.index)
        flow = _flow(addition.fields)
        return opening + 1, flow + (", " if mapping.value else "")
    first, value = mapping.value[0]
    column = first.start_mark.column
    block = _indented(_block(addition.fields), column)
    if addition.inside is None:
        value = next(value for key, value in mapping.value if key.value == "name")
        return _after_line(text, value.end_mark.index, block)
    return first.start_mark.index - column, block


def _appended(text: str, services: yaml.Node | None, new: Iterable[Mapping[str, Any]]) -> tuple[int, str]:
    if not isinstance(services, yaml.SequenceNode) or services.flow_style or not services.value:
        raise InvalidInputError(["services.yaml:1: services: no list with dashes: use --out"])
    first = services.value[0].start_mark
    line_start = first.index - first.column
    dash = text.rindex("-", line_start, first.index) - line_start
    end = len(text[: _end(services)].rstrip())
    return _after_line(text, end, "\n" + "\n".join(_item(service, dash) for service in new))


def _after_line(text: str, index: int, block: str) -> tuple[int, str]:
    line_end = text.find("\n", index)
    return (len(text), "\n" + block) if line_end < 0 else (line_end + 1, block)


def _end(node: yaml.Node) -> int:
    """Return where a node's text ends; the marks of a block only say where the next thing begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    return None


def _item(service: Mapping[str, Any], column: int) -> str:
    lines = _indented(_block(service), column + 2)
    text = " " * column + "- " + lines[column + 2 :]
    if "tier" in service:
        return text
    name, rest = text.split("\n", 1)
    return f"{name}\n{' ' * (column + 2)}{_NO_TIER}\n{rest}"


def _block(fields: Mapping[str, Any]) -> str:
    """Return fields a line each, what is inside them in braces and brackets where it is plain."""
    return "".join(
        yaml.dump(
            {key: value},
            Dumper=_Dumper,
            default_flow_style=None if value and isinstance(value, dict | list) else False,
            sort_keys=False,
            allow_unicode=True,
            width=_WIDTH,
        )
        for key, value in fields.items()
    )


def _flow(fields: Mapping[str, Any]) -> str:
    width = 1_000_000_000  # on one line
    text = yaml.dump(
        dict(fields),
        Dumper=_Dumper,
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=width,
    )
    return str(text).strip().removeprefix("{").removesuffix("}")


def _indented(text: str, column: int) -> str:
    lines = text.removesuffix("\n").split("\n")
    return "".join(f"{' ' * column}{line}\n" if line.strip() else "\n" for line in lines)
