"""Verdicts over the cases of a file: a row per case and look."""

from __future__ import annotations

import csv
import io
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from release_watch.catalog.policies import JudgePolicy
from release_watch.files import write_whole
from release_watch.judge.cases import Reading, read
from release_watch.judge.command.judging import Judged, Judging, Row, unjudged
from release_watch.judge.command.parallel import each
from release_watch.judge.command.plots import in_number
from release_watch.verdict import Verdict

COLUMNS = Row._fields
STANDARD_OUTPUT = "-"
MOST_PROBLEMS = 100
"""Problems that are printed; of more, the number."""
TELL_EVERY = 5.0
"""Seconds between two lines of progress."""
FEWEST_TO_GUESS = 20
"""From a twentieth of the cases on, it is told how long the rest takes."""
LARGE = 50_000_000
"""From so many bytes on, it is told that a file is being read."""
FEWEST_FOR_PROCESSES = 3000
"""Windows (a metric of a case at a look) for which starting processes takes longer than it saves."""


def run(options: Namespace) -> bool:
    """Judge the cases of ``options.cases`` and write ``options.out``; return whether all could be judged.

    Raises:
        InvalidInputError: if the file holds no cases.
        OSError: if a file cannot be read or written.
    """
    reading = _read(options.cases)
    if options.plots is not None:
        options.plots.mkdir(parents=True, exist_ok=True)
    judging = Judging(options.looks, JudgePolicy(), options.plots)
    rows: list[Row] = []
    drawn, fine = 0, not reading.problems
    for judged in _told(judged_in_order(reading, judging, options.jobs), len(reading.names)):
        rows += judged.rows
        drawn += judged.drawn
        fine = fine and not judged.problems
    write(rows, options.out)
    _summary(
        reading, rows, f"; {in_number(drawn, 'plot')} in {options.plots}" if options.plots is not None else ""
    )
    return fine


def judged_in_order(reading: Reading, judging: Judging, jobs: int = 1) -> Iterator[Judged]:
    """Yield what each case comes to, in the order of the file, also of those that have bad rows."""
    windows = len(judging.looks) * sum(len(case.metrics) for case in reading.cases)
    judged = each(judging, reading.cases, jobs if windows >= FEWEST_FOR_PROCESSES else 1)
    good = {case.name for case in reading.cases}
    for name in reading.names:
        if name in good:
            yield next(judged)
        else:
            yield Judged(unjudged(name, judging.looks, f"not judged: {reading.spoiled[name]}"))


def write(rows: Iterable[Row], out: str) -> None:
    """Write VERDICTS whole, or to standard output."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(rows)
    if out == STANDARD_OUTPUT:
        sys.stdout.write(text.getvalue())
        sys.stdout.flush()
    else:
        write_whole(Path(out), text.getvalue().encode())


def _read(path: Path) -> Reading:
    size = path.stat().st_size
    if size >= LARGE:
        _say(f"{path.name}: reading {size / 1e6:,.0f} MB")
    begun = time.monotonic()
    reading = read(path)
    for line in (*reading.notes, *reading.problems[:MOST_PROBLEMS]):
        _say(line)
    if (more := len(reading.problems) - MOST_PROBLEMS) > 0:
        _say(f"and {more} more problems")
    if size >= LARGE:
        seconds = time.monotonic() - begun
        _say(f"{path.name}: {reading.rows:,} rows, {len(reading.names):,} cases, read in {seconds:.1f} s")
    return reading


def _told(judged: Iterator[Judged], count: int) -> Iterator[Judged]:
    """Yield what comes, telling what goes wrong and, now and then, how far it is."""
    begun = told = time.monotonic()
    for number, one in enumerate(judged, 1):
        for problem in one.problems:
            _say(problem)
        yield one
        if (moment := time.monotonic()) - told > TELL_EVERY:
            told = moment
            left = (moment - begun) / number * (count - number)
            known = f", some {left:.0f} s to go" if number >= count / FEWEST_TO_GUESS else ""
            _say(f"{number:,} of {count:,} cases judged{known}")


def _summary(reading: Reading, rows: Sequence[Row], drawn: str) -> None:
    last = Counter({row.case: row.verdict for row in rows}.values())
    counts = ", ".join(f"{last[verdict]} {verdict}" for verdict in Verdict if last[verdict])
    _say(f"{in_number(len(reading.names), 'case')}, at the last look: {counts or 'none'}{drawn}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
