"""``python -m release_watch.assurance tune``: changes of alerts, tried on the past when somebody asks."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from release_watch.artifacts.store import ArtifactStore
from release_watch.assurance.correlation import Correlation, correlation_of
from release_watch.assurance.drift.command import Connect
from release_watch.assurance.quality.collecting import (
    KnownIncidents,
    alert_quality,
    blind_notes,
    known_incidents,
)
from release_watch.assurance.tuning.asking import Asked, OwnedAlert, asked
from release_watch.assurance.tuning.back_test import BackTest
from release_watch.assurance.tuning.choosing import MOST, Past, worth
from release_watch.assurance.tuning.kept import KeptTunings, adjustments
from release_watch.assurance.tuning.picture import pictures
from release_watch.assurance.tuning.report import tuning_markdown
from release_watch.assurance.tuning.terminal import lines_of, plain_data
from release_watch.catalog.config import Config, load_config
from release_watch.clock import in_words, now, rfc3339
from release_watch.coverage.table_text import plain
from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.files import write_whole

DESCRIPTION = """\
Try changes of alerts on the past: what would have fired, and what of it belonged to an incident. Replayed are
the alerts that cry wolf, keep coming back, or saw nothing of an incident; or those that --service and --alert
name. Nothing is changed: a proposal is put into force by the DAG alert_tuning, once a person has approved it.
The servers are those of the environment's Airflow connections. docs/tuning.md tells by which rules."""

REPORT = "alert-tuning-report.md"
FOLDER = "tuning"
DAG = "alert_tuning"
CLEARED = "\r\x1b[K"
"""Back to the begin of the line, and what stands in it away."""

Keep = Callable[[OwnedAlert, BackTest], None]


class Found(NamedTuple):
    """What was replayed, in words what was not, and what of the history is not known."""

    tests: tuple[tuple[OwnedAlert, BackTest], ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options of this command."""
    parser.add_argument("--environment", required=True, metavar="NAME", help="for example production")
    parser.add_argument(
        "--service",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME",
        help="the alerts of these services, all of them",
    )
    parser.add_argument(
        "--alert",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME",
        help="the alerts of these names, of any service",
    )
    parser.add_argument(
        "--since", default="P30D", metavar="DURATION", help="how far back, ISO 8601; default: %(default)s"
    )
    parser.add_argument("--until", metavar="TIME", help="ISO 8601 with an offset; default: now")
    parser.add_argument(
        "--incidents",
        type=Path,
        metavar="FILE",
        help="incidents and verdicts as CSV, beside those of the tracker; see docs/alert-quality.md",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write the report, the pictures and the proposals there"
    )
    parser.add_argument(
        "--store",
        action="store_true",
        help=f"put each proposal to the artifacts of the release it is of, where the DAG {DAG} finds it",
    )
    parser.add_argument("--json", action="store_true", help="print JSON; progress goes to standard error")


def run(options: argparse.Namespace, connect: Connect) -> bool:
    """Print what changes would have been worth; returns whether all that was asked for was replayed.

    Raises:
        InvalidInputError: if options are wrong, or no incidents are known to hold firings against.
        ReleaseWatchError: if the configuration cannot be read, or a server does not answer.
        OSError: if a file cannot be written.
    """
    config = load_config()
    wanted = asked(options, config, connect, now())
    _tell(f"reading alerts and incidents of {', '.join(wanted.services)} over {_length(wanted)}")
    known, past = _past(wanted, config)
    picked, left_out = _picked(wanted, past.correlation)
    found = _replayed(picked, past, named=wanted.named, keep=_keeping(options, wanted))
    notes = blind_notes(past.metrics, wanted.window, wanted.environment)
    found = Found(found.tests, (*found.problems, *left_out), notes)
    if options.out is not None:
        _write_report(options.out.absolute(), wanted, found, past.correlation, config)
    print_ = _print_json if options.json else _print_lines
    print_(options, wanted, known, found)
    return not found.problems


def _past(wanted: Asked, config: Config) -> tuple[KnownIncidents, Past]:
    known = known_incidents(wanted.backends, config, wanted.window[0], wanted.services, wanted.incidents)
    if known.found is None:
        raise InvalidInputError(
            [f"--incidents: name a file; nothing can be judged without known incidents: {known.problem}"]
        )
    within = known.lasting_into(wanted.window)
    metrics = wanted.backends.metrics()
    report = alert_quality(
        wanted.backends,
        config,
        wanted.window,
        wanted.services,
        environment=wanted.environment,
        tickets=known,
    )
    slos, policy = config.slos_of(wanted.services), config.policies.alert_quality
    return known, Past(correlation_of(report), within, metrics, slos, policy)


def _picked(wanted: Asked, correlation: Correlation) -> tuple[Sequence[OwnedAlert], tuple[str, ...]]:
    """Return what to replay; of what nobody named at most so many, and then how many are left out."""
    if wanted.named:
        return wanted.alerts, ()
    is_worth = worth(correlation)
    picked = [one for one in wanted.alerts if is_worth(one.chosen.rule)]
    more = len(picked) - MOST
    words = f"{more} more alerts; at most {MOST} are, unless --service or --alert names them"
    return picked[:MOST], (words,) if more > 0 else ()


def _replayed(picked: Sequence[OwnedAlert], past: Past, *, named: bool, keep: Keep) -> Found:
    tests, problems = [], []
    for number, one in enumerate(picked, start=1):
        place = f"{number} of {len(picked)}: {plain(one.chosen.title)}"
        _tell(f"{place}: replaying")
        began = time.monotonic()
        try:
            found = past.test(one.chosen, anyway=named, progress=_counter(place))
        except ReleaseWatchError as error:  # one that cannot be replayed hides no other
            problems.append(f"{one.chosen.title}: {error}")
            _tell(f"{place}: not replayed: {plain(error)}")
            continue
        keep(one, found)
        tests.append((one, found))
        took = in_words(timedelta(seconds=round(time.monotonic() - began)))
        outcome = found.proposal.change if found.proposal else "nothing is proposed"
        _tell(f"{place}: {plain(outcome)} ({len(found.trials)} changes, {took})")
    return Found(tuple(tests), tuple(problems))


def _keeping(options: argparse.Namespace, wanted: Asked) -> Keep:
    """Return what keeps a proposal at once, so that a long run that is broken off was not for nothing."""
    folder = options.out.absolute() if options.out is not None else None

    def keep(one: OwnedAlert, found: BackTest) -> None:
        if found.proposal is None:
            return
        files = {f"{FOLDER}/{key}.png": image for key, image in pictures([found]).items()}
        files[f"{FOLDER}/{found.proposal.proposal_id}.json"] = found.proposal.document()
        store = ArtifactStore(wanted.root, wanted.environment, one.release_id) if options.store else None
        for name, data in files.items():
            if folder is not None:
                write_whole(folder / name, data)
            if store is not None:
                store.write_bytes(name, data)

    return keep


def _write_report(
    folder: Path, wanted: Asked, found: Found, correlation: Correlation, config: Config
) -> None:
    tests = [test for _, test in found.tests]
    text = tuning_markdown(
        correlation,
        release_id=", ".join(wanted.releases) or "none",
        environment=wanted.environment,
        services=wanted.services,
        config=config,
        rules=wanted.rules,
        adjustments=_adjustments(wanted),
        back_tests=tests,
        pictures={one.key: f"{FOLDER}/{one.key}.png" for one in tests if one.proposal is not None},
        at=now(),
    )
    write_whole(folder / REPORT, text.encode())


def _adjustments(wanted: Asked) -> tuple[str, ...]:
    """Return in words what people approved before; what cannot be read is told."""
    kept = KeptTunings(wanted.root, wanted.environment).in_force(wanted.services)
    for problem in kept.problems:
        _tell(f"not read: {problem}")
    return adjustments(kept.tunings, wanted.rules)


def _print_json(options: argparse.Namespace, wanted: Asked, known: KnownIncidents, found: Found) -> None:
    content = {
        "environment": wanted.environment,
        "window": {"start": rfc3339(wanted.window[0]), "end": rfc3339(wanted.window[1])},
        "incident_source": known.source,
        "stored": options.store,
        "tests": [plain_data(one, test) for one, test in found.tests],
        "problems": list(found.problems),
        "notes": list(found.notes),
        "to_do": [_conf(wanted, one, test) for one, test in found.tests if test.proposal],
    }
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _print_lines(options: argparse.Namespace, wanted: Asked, known: KnownIncidents, found: Found) -> None:
    sys.stdout.write("\n".join(_lines(options, wanted, known, found)) + "\n")


def _lines(options: argparse.Namespace, wanted: Asked, known: KnownIncidents, found: Found) -> Iterator[str]:
    start, end = map(rfc3339, wanted.window)
    yield f"{wanted.environment}, {start} to {end} ({_length(wanted)}); incidents from {plain(known.source)}"
    yield from (f"NOTE: {note}" for note in found.notes)
    for one, test in found.tests:
        yield ""
        yield from lines_of(one, test)
    yield ""
    if not found.tests and not found.problems:
        yield "No alert is worth a back-test: none was noisy, kept coming back, or missed an incident."
    yield from (f"NOT REPLAYED: {plain(problem)}" for problem in found.problems)
    proposed = [(one, test) for one, test in found.tests if test.proposal]
    if options.out is not None:
        yield f"The report and what belongs to it are in {options.out.absolute()}."
    if proposed:
        yield f"{len(proposed)} proposed, and nothing is changed. To put one into force, with an approval:"
        for one, test in proposed:
            conf = json.dumps(_conf(wanted, one, test))
            yield f"  airflow dags trigger {DAG} --conf '{conf}'"
        if not options.store:
            yield "First give --store, so that the DAG finds them."
    elif found.tests:
        yield "Nothing is proposed; the table says why each change was refused."


def _conf(wanted: Asked, one: OwnedAlert, test: BackTest) -> dict[str, Any]:
    name = test.proposal.proposal_id if test.proposal else None
    return {"environment": wanted.environment, "release_id": one.release_id, "proposal_id": name}


def _counter(place: str) -> Callable[[int, int], None]:
    """Return what counts the changes of one alert, where somebody looks on."""

    def count(done: int, of: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"{CLEARED}{place}: {done} of {of} changes")
            sys.stderr.flush()

    return count


def _length(wanted: Asked) -> str:
    return in_words(wanted.window[1] - wanted.window[0])


def _tell(line: str) -> None:
    sys.stderr.write(f"{CLEARED if sys.stderr.isatty() else ''}{line}\n")
    sys.stderr.flush()
