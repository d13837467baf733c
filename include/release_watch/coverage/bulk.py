"""Many small questions to a metrics server in few queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from release_watch.errors import BackendError
from release_watch.telemetry.metrics import Metrics, Sample

MOST_QUESTIONS = 100
MOST_CHARACTERS = 50_000
"""Of one query: Prometheus takes more, but proxies before it and their logs may not."""

_LABEL = "release_watch_question"
_REFUSED = (400, 413, 422)
"""A query that is wrong, too long, or would load too much: others in the same query may still be answered."""


class Bulk:
    """Asks instant queries as of one moment, many at a time, and each only once.

    Each question is an expression whose result has no label of the name ``release_watch_question``.
    """

    def __init__(self, metrics: Metrics, at: datetime) -> None:
        self._metrics = metrics
        self._at = at
        self._answers: dict[str, list[Sample]] = {}
        self.refused: dict[str, str] = {}
        """Questions that the server refused, with its words; their answer is empty."""

    def ask(self, questions: Iterable[str]) -> None:
        """Ask those of ``questions`` that have not been asked yet.

        Raises:
            BackendError: if the server does not answer.
        """
        new = [question for question in dict.fromkeys(questions) if question not in self._answers]
        for chunk in _chunks(new):
            self._ask(chunk)

    def answer(self, question: str) -> Sequence[Sample]:
        """Return the samples that answer a question, which was asked before."""
        return self._answers[question]

    def value(self, question: str) -> float | None:
        """Return the value of the first sample; None without any."""
        return next((sample.value for sample in self._answers[question]), None)

    def _ask(self, chunk: Sequence[str]) -> None:
        query = " or ".join(_marked(question, number) for number, question in enumerate(chunk))
        try:
            samples = self._metrics.instant(query, self._at)
        except BackendError as error:
            if error.status not in _REFUSED:
                raise
            self._divide(chunk, str(error))
            return
        found: defaultdict[str, list[Sample]] = defaultdict(list)
        for sample in samples:
            labels = dict(sample.labels)
            found[labels.pop(_LABEL, "")].append(sample._replace(labels=labels))
        self._answers.update({question: found[str(number)] for number, question in enumerate(chunk)})

    def _divide(self, chunk: Sequence[str], words: str) -> None:
        """Ask the halves of a refused query, until the questions that it was refused for stand alone."""
        if len(chunk) == 1:
            self._answers[chunk[0]] = []
            self.refused[chunk[0]] = words
            return
        middle = len(chunk) // 2
        self._ask(chunk[:middle])
        self._ask(chunk[middle:])


def _marked(question: str, number: int) -> str:
    return f'label_replace({question}, "{_LABEL}", "{number}", "", "")'


def _chunks(questions: Collection[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    length = 0
    for question in questions:
        size = len(_marked(question, MOST_QUESTIONS)) + len(" or ")
        if chunk and (len(chunk) == MOST_QUESTIONS or length + size > MOST_CHARACTERS):
            yield chunk
            chunk, length = [], 0
        chunk.append(question)
        length += size
    if chunk:
        yield chunk
