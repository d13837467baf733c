"""The command line of known-good baselines: its arguments, help, and exit codes."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from release_watch.artifacts.models import BaselineKind
from release_watch.baseline.known_good import KnownGood, Pin
from release_watch.baseline.pinning import captured, pin_all
from release_watch.catalog.config import load_config
from release_watch.clock import now, parse_duration, rfc3339
from release_watch.errors import InvalidInputError, ReleaseWatchError

if TYPE_CHECKING:
    from release_watch.artifacts.store import PathLike

DONE, NOTHING_DONE = 0, 2
ROOT_VARIABLE = "RELEASE_WATCH_ARTIFACT_ROOT"

DESCRIPTION = """\
Pin the baselines of services that are known to be good. Until a pin expires, releases of these services are
compared with what was pinned, and not with the days before them."""

EPILOG = """\
examples:
  python -m release_watch.baseline pin checkout payments --release shop-1.4.0 --by ada \\
      --reason "the last week before the sale" --until P14D
  python -m release_watch.baseline list
  python -m release_watch.baseline unpin checkout

exit codes:
  0  done
  2  nothing was done: wrong usage, a baseline that does not convince, or none to pin or unpin"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; what is wrong goes to standard error."""
    options = _parser().parse_args(arguments)
    try:
        pins = _known_good(options)
        if options.command == "pin":
            return _pin(options, pins)
        return _list(options, pins) if options.command == "list" else _unpin(options, pins)
    except InvalidInputError as error:
        sys.stderr.write("\n".join([*error.problems, "nothing was done"]) + "\n")
    except (ReleaseWatchError, OSError) as error:
        sys.stderr.write(f"{error}\nnothing was done\n")
    return NOTHING_DONE


def _pin(options: argparse.Namespace, pins: KnownGood) -> int:
    found = captured(options.artifacts, options.environment, options.release, BaselineKind(options.of))
    moment = now()
    made = pin_all(
        pins,
        found,
        options.services,
        by=options.by,
        reason=options.reason,
        at=moment,
        expires_at=options.until,
    )
    return _print(options, {"pinned": [_plain(pin, pins, moment) for pin in made]}, map(_line, made))


def _list(options: argparse.Namespace, pins: KnownGood) -> int:
    moment, known = now(), pins.all()
    lines = [_line(pin) + ("" if moment < pins.used_until(pin) else "; not used any more") for pin in known]
    plain = {"pins": [_plain(pin, pins, moment) for pin in known]}
    return _print(options, plain, lines or [f"Nothing is pinned in {options.environment}."])


def _unpin(options: argparse.Namespace, pins: KnownGood) -> int:
    if missing := [service for service in options.services if not pins.holds(service)]:
        where = f"in {options.environment}"
        raise InvalidInputError([f"{service}: nothing is pinned {where}" for service in missing])
    for service in options.services:
        pins.unpin(service)
    lines = [f"{service}: is compared with the days before a release again" for service in options.services]
    return _print(options, {"unpinned": options.services}, lines)


def _print(options: argparse.Namespace, plain: dict[str, Any], lines: Any) -> int:
    text = json.dumps(plain, indent=2, ensure_ascii=False) if options.json else "\n".join(lines)
    sys.stdout.write(text + "\n")
    return DONE


def _line(pin: Pin) -> str:
    return f"{pin.service}: {pin.words}"


def _plain(pin: Pin, pins: KnownGood, at: datetime) -> dict[str, Any]:
    until = pins.used_until(pin)
    return pin.model_dump(mode="json") | {"used": at < until, "used_until": rfc3339(until)}


def _known_good(options: argparse.Namespace) -> KnownGood:
    config = load_config()
    if options.environment not in config.catalog.environments:
        known = ", ".join(config.catalog.environments)
        found = f"--environment: {options.environment!r} is not in the catalogue; known are {known}"
        raise InvalidInputError([found])
    max_age = config.policies.baseline.known_good_max_age
    return KnownGood(options.artifacts, options.environment, max_age=max_age)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m release_watch.baseline",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    pin = _command(commands, "pin", "pin what a run has captured; an earlier pin of a service is replaced")
    pin.add_argument("services", nargs="+", metavar="SERVICE", help="as in the catalogue")
    pin.add_argument("--release", required=True, metavar="ID", help="the release whose run captured it")
    pin.add_argument(
        "--of",
        choices=["release", "reference"],
        default="release",
        help="the window after its deployment (%(default)s, the default), or the one before (reference)",
    )
    pin.add_argument("--by", required=True, metavar="NAME", help="who pins it; stands in the evidence")
    pin.add_argument("--reason", required=True, metavar="WHY", help="stands in the evidence")
    pin.add_argument(
        "--until",
        required=True,
        type=moment,
        metavar="WHEN",
        help="when the pin expires: RFC 3339, or a duration from now such as P14D; at most "
        "policies.baseline.known_good_max_age after the end of its window",
    )
    _command(commands, "list", "list the pins, those too that have expired")
    unpin = _command(commands, "unpin", "take pins back, of all these services or of none")
    unpin.add_argument("services", nargs="+", metavar="SERVICE", help="as in the catalogue")
    return parser


def _command(commands: Any, name: str, words: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=words, description=words.capitalize())
    parser.add_argument("--environment", default="production", help="default: %(default)s")
    parser.add_argument(
        "--artifacts",
        type=place,
        default=os.environ.get(ROOT_VARIABLE, ".artifacts"),
        metavar="ROOT",
        help=f"the artifact root, a folder or an fsspec URL (default: {ROOT_VARIABLE}, else .artifacts)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def place(url: str) -> PathLike:
    """Return the path of a folder, or of an fsspec URL with the credentials of this environment."""
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        return Path(unquote(parts.path) if parts.scheme else url).absolute()
    from upath import UPath

    remote: PathLike = UPath(url)
    return remote


def moment(text: str) -> datetime:
    """Return the moment that ``text`` names: RFC 3339 with a zone, or a duration from now on."""
    try:
        found = now() + parse_duration(text) if text.startswith("P") else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"{text!r}: write a time with its zone, such as 2026-04-01T00:00:00Z, or a duration such as P14D"
        )
    return found
