"""The samples behind a baseline: fetched, kept as Parquet beside the document, and read again."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from release_watch.errors import InvalidInputError
from release_watch.judge.spec import MetricSpec

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.telemetry.metrics import Metrics

    Frames = Mapping[tuple[str, str], pd.Series]

log = logging.getLogger(__name__)

COLUMNS = ("service", "metric", "time", "value")


def fetch(
    spec: MetricSpec, metrics: Metrics, window: tuple[datetime, datetime], step: timedelta
) -> pd.Series:
    """Return the samples of one metric, UTC-indexed and without gaps filled; empty where there are none.

    A query that answers more than one series is no one metric: it counts as no data and is logged.

    Raises:
        BackendError: if the server does not answer.
    """
    import pandas as pd

    start, end = (moment.replace(microsecond=0) for moment in window)
    frame = metrics.range(spec.query, start, end, step)
    if frame.shape[1] > 1:
        log.warning("%s: the query gives %d series; aggregate them to one", spec.title, frame.shape[1])
    if frame.shape[1] != 1:
        return pd.Series(dtype=float, index=pd.DatetimeIndex([], tz="UTC"), name=spec.metric)
    return frame.iloc[:, 0].dropna().rename(spec.metric)


def frames(
    specs: Iterable[MetricSpec], metrics: Metrics, window: tuple[datetime, datetime], step: timedelta
) -> dict[tuple[str, str], pd.Series]:
    """Return the samples of every metric by (service, metric); see :func:`fetch`."""
    return {spec.key: fetch(spec, metrics, window, step) for spec in specs}


def to_parquet(series: Frames) -> bytes:
    """Return the samples as a Parquet file with the columns service, metric, time (UTC) and value."""
    import pandas as pd

    parts = [
        pd.DataFrame({"service": service, "metric": metric, "time": values.index, "value": values.to_numpy()})
        for (service, metric), values in series.items()
        if len(values)
    ]
    table = pd.concat(parts) if parts else pd.DataFrame(columns=list(COLUMNS))
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def from_parquet(data: bytes) -> dict[tuple[str, str], pd.Series]:
    """Return the samples that :func:`to_parquet` wrote; metrics without samples are not in it.

    Raises:
        InvalidInputError: if it is no such file.
    """
    import pandas as pd

    try:
        table = pd.read_parquet(io.BytesIO(data))
    except (OSError, ValueError) as error:
        raise InvalidInputError([f"baseline samples: not a Parquet file: {error}"]) from error
    if missing := [column for column in COLUMNS if column not in table.columns]:
        raise InvalidInputError([f"baseline samples: the columns {', '.join(missing)} are missing"])
    return {
        (str(service), str(metric)): pd.Series(
            part["value"].to_numpy(dtype=float), index=pd.DatetimeIndex(part["time"]), name=str(metric)
        )
        for (service, metric), part in table.groupby(["service", "metric"], sort=False)
    }
