"""The samples behind a baseline: fetched, kept as Parquet beside the document, and read again."""

from __future__ import annotations

import io
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from release_watch.baseline.batched import batch, groups
from release_watch.errors import BackendError, InvalidInputError
from release_watch.judge.spec import MetricSpec

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.telemetry.metrics import Metrics

    Frames = Mapping[tuple[str, str], pd.Series]

log = logging.getLogger(__name__)

COLUMNS = ("service", "metric", "time", "value")

MOST_SAMPLES = 150_000
"""Of one query: some 5 MB of answer and a second or two of the server's time."""

_TOO_MUCH = (400, 413, 422, 503, 504)
"""A query that is too long, or would load too much or take too long: half of it may still be answered."""


def fetch(
    spec: MetricSpec, metrics: Metrics, window: tuple[datetime, datetime], step: timedelta
) -> pd.Series:
    """Return the samples of one metric, UTC-indexed and without gaps filled; empty where there are none.

    A query that answers more than one series is no one metric: it counts as no data and is logged.

    Raises:
        BackendError: if the server does not answer.
    """
    frame = metrics.range(spec.query, *_whole_seconds(window), step)
    if frame.shape[1] > 1:
        log.warning("%s: the query gives %d series; aggregate them to one", spec.title, frame.shape[1])
    return _column(frame, 0 if frame.shape[1] == 1 else None, spec)


def frames(
    specs: Iterable[MetricSpec], metrics: Metrics, window: tuple[datetime, datetime], step: timedelta
) -> dict[tuple[str, str], pd.Series]:
    """Return the samples of every metric by (service, metric), in their order; see :func:`fetch`.

    Metrics whose queries are alike are asked for together.

    Raises:
        BackendError: if the server does not answer.
    """
    wanted = tuple(specs)
    found: dict[tuple[str, str], pd.Series] = {}
    for part in parts(wanted, metrics, window, step):
        found |= part
    return {spec.key: found[spec.key] for spec in wanted}


def parts(
    specs: Iterable[MetricSpec], metrics: Metrics, window: tuple[datetime, datetime], step: timedelta
) -> Iterator[dict[tuple[str, str], pd.Series]]:
    """Yield what :func:`frames` returns in parts that are small, however many metrics there are.

    Raises:
        BackendError: if the server does not answer.
    """
    points = int((window[1] - window[0]) / step) + 1
    for group in groups(specs, max(1, MOST_SAMPLES // points)):
        yield from _asked(group, metrics, window, step)


def _asked(
    group: Sequence[MetricSpec], metrics: Metrics, window: tuple[datetime, datetime], step: timedelta
) -> Iterator[dict[tuple[str, str], pd.Series]]:
    if len(group) == 1:
        yield {group[0].key: fetch(group[0], metrics, window, step)}
        return
    together = batch(group)
    try:
        frame = metrics.range(together.query, *_whole_seconds(window), step)
    except BackendError as error:
        if error.status not in _TOO_MUCH:
            raise
        log.info("Asking for %d metrics at once was refused, halving them: %s", len(group), error)
        middle = len(group) // 2
        yield from _asked(group[:middle], metrics, window, step)
        yield from _asked(group[middle:], metrics, window, step)
        return
    places = {name: place for place, name in enumerate(frame.columns)}
    if unknown := places.keys() - together.specs.keys():
        # Their own query tells whose the extra series are, and why they are no one metric.
        log.info("One query for %d metrics gave %s besides; asking alone", len(group), min(unknown))
        for spec in group:
            yield {spec.key: fetch(spec, metrics, window, step)}
        return
    yield {
        spec.key: _column(frame, places.get(name), spec)
        for name, specs in together.specs.items()
        for spec in specs
    }


def _whole_seconds(window: tuple[datetime, datetime]) -> tuple[datetime, datetime]:
    return window[0].replace(microsecond=0), window[1].replace(microsecond=0)


def _column(frame: pd.DataFrame, place: int | None, spec: MetricSpec) -> pd.Series:
    import pandas as pd

    if place is None:
        return pd.Series(dtype=float, index=pd.DatetimeIndex([], tz="UTC"), name=spec.metric)
    return frame.iloc[:, place].dropna().rename(spec.metric)


class SamplesFile:
    """A Parquet file of samples, written part by part; columns service, metric, time (UTC) and value."""

    def __init__(self, file: BinaryIO) -> None:
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet

        text = pa.dictionary(pa.int32(), pa.string())
        types = (text, text, pa.timestamp("us", tz="UTC"), pa.float64())
        self._schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
        self._writer: Any = parquet.ParquetWriter(file, self._schema, compression="zstd")

    def __enter__(self) -> Self:
        """Return the file, to be ended by leaving the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the end of the file, without which nobody can read it."""
        self._writer.close()

    def add(self, series: Frames) -> None:
        """Write samples by (service, metric)."""
        import pyarrow as pa

        filled = {key: values for key, values in series.items() if len(values)}
        if not filled:
            return
        lengths = [len(values) for values in filled.values()]
        columns = [
            _repeated([service for service, _ in filled], lengths),
            _repeated([metric for _, metric in filled], lengths),
            pa.chunked_array([_times(values) for values in filled.values()]),
            pa.chunked_array([pa.array(values.to_numpy(dtype=float)) for values in filled.values()]),
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))


def _times(values: pd.Series) -> Any:
    import pandas as pd
    import pyarrow as pa

    utc = pd.DatetimeIndex(values.index).tz_convert(None).to_numpy()  # with a zone it would be of objects
    return pa.array(utc).cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))


def _repeated(names: Sequence[str], lengths: Sequence[int]) -> Any:
    import numpy as np
    import pyarrow as pa

    distinct = list(dict.fromkeys(names))
    codes = np.repeat([distinct.index(name) for name in names], lengths)
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), distinct)


def to_parquet(series: Frames) -> bytes:
    """Return the samples as a Parquet file; see :class:`SamplesFile`."""
    buffer = io.BytesIO()
    with SamplesFile(buffer) as file:
        file.add(series)
    return buffer.getvalue()


def from_parquet(data: bytes) -> dict[tuple[str, str], pd.Series]:
    """Return the samples that :func:`to_parquet` wrote; metrics without samples are not in it.

    Raises:
        InvalidInputError: if it is no such file.
    """
    import pandas as pd
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(io.BytesIO(data), read_dictionary=["service", "metric"])
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InvalidInputError([f"baseline samples: not a Parquet file: {error}"]) from error
    if missing := [column for column in COLUMNS if column not in file.schema_arrow.names]:
        raise InvalidInputError([f"baseline samples: the columns {', '.join(missing)} are missing"])
    found: dict[tuple[str, str], list[pd.Series]] = defaultdict(list)
    for number in range(file.num_row_groups):
        table = file.read_row_group(number, columns=list(COLUMNS)).to_pandas()
        for (service, metric), part in table.groupby(["service", "metric"], sort=False, observed=True):
            values = pd.Series(
                part["value"].to_numpy(dtype=float), index=pd.DatetimeIndex(part["time"]), name=str(metric)
            )
            found[str(service), str(metric)].append(values)
    return {key: series[0] if len(series) == 1 else pd.concat(series) for key, series in found.items()}
