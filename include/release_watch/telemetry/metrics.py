"""Metrics: instant and range queries against Prometheus or what speaks its API (Thanos, Mimir)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

from release_watch.errors import BackendError
from release_watch.identifiers import promql_string

if TYPE_CHECKING:
    import pandas as pd
    from prometheus_api_client import PrometheusConnect

BACKEND = "Prometheus"
MAX_POINTS = 10_000
"""Points per series that one range query asks for; Prometheus answers at most 11,000."""
_RETRIES = 3
_RETRIED = (429, 502, 503, 504)


class Sample(NamedTuple):
    """One value of one series at one time."""

    labels: dict[str, str]
    at: datetime
    value: float


class Metrics(Protocol):
    """Where metrics are asked for."""

    @property
    def base_url(self) -> str:
        """The server's address without credentials, for proofs and messages."""
        ...

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        """Return the samples of an instant query, by default as of now.

        Raises:
            BackendError: if the server does not answer, or refuses the query.
        """
        ...

    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> pd.DataFrame:
        """Return a range query: a UTC index, and a float column per series named by :func:`series_name`.

        Raises:
            BackendError: if the server does not answer, or refuses the query.
        """
        ...


class Prometheus:
    """:class:`Metrics` over ``prometheus_api_client``.

    ``auth`` is (user, password), ``verify`` False or the path of a CA bundle. Queries are sent as forms, so
    that those over a thousand services fit.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        verify: bool | str = True,
        timeout_seconds: float = 10.0,
        auth: tuple[str, str] | None = None,
    ) -> None:
        self._url, in_url = without_credentials(url)
        self._headers = dict(headers or {})
        self._verify = verify
        self._timeout = timeout_seconds
        self._auth = auth or in_url
        self._client: PrometheusConnect | None = None

    @property
    def base_url(self) -> str:
        """The server's address without credentials."""
        return self._url

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        """Return the samples of an instant query, by default as of now."""
        params = {} if at is None else {"time": str(at.timestamp())}
        result = self._ask("custom_query", query=query, params=params)
        try:
            return list(_instant_samples(result))
        except (KeyError, TypeError, ValueError) as error:
            raise BackendError(BACKEND, f"{self._url} gave an answer that is no query result") from error

    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> pd.DataFrame:
        """Return a range query as a frame, empty without series; ``start`` and ``end`` in whole seconds."""
        import pandas as pd

        series: dict[str, dict[float, float]] = {}
        for first, last in _spans(start, end, step):
            result = self._ask(
                "custom_query_range",
                query=query,
                start_time=first,
                end_time=last,
                step=str(step.total_seconds()),
            )
            try:
                for entry in result:
                    points = series.setdefault(series_name(entry["metric"]), {})
                    points.update((float(at), float(value)) for at, value in entry["values"])
            except (KeyError, TypeError, ValueError) as error:
                raise BackendError(BACKEND, f"{self._url} gave an answer that is no range") from error
        frame = pd.DataFrame({name: pd.Series(points, dtype=float) for name, points in series.items()})
        frame.index = pd.to_datetime(frame.index.astype(float), unit="s", utc=True)
        return frame.sort_index()

    def _ask(self, method: str, **arguments: Any) -> Any:
        import requests
        from prometheus_api_client.exceptions import PrometheusApiClientException

        if self._client is None:
            self._client = self._connect()
        try:
            return getattr(self._client, method)(**arguments)
        except requests.Timeout as error:
            raise BackendError(BACKEND, f"{self._url} did not answer in {self._timeout:g} s") from error
        except requests.JSONDecodeError as error:
            raise BackendError(BACKEND, f"{self._url} gave an answer that is no query result") from error
        except requests.RequestException as error:
            # The words of the exception can hold the whole address; its kind is enough.
            raise BackendError(BACKEND, f"{self._url} did not answer: {type(error).__name__}") from error
        except (PrometheusApiClientException, KeyError, TypeError, ValueError) as error:
            raise BackendError(BACKEND, f"{self._url} gave an answer that is no query result") from error

    def _connect(self) -> PrometheusConnect:
        from prometheus_api_client import PrometheusConnect
        from requests import Response, Session
        from urllib3.util.retry import Retry

        url = self._url

        class FormSession(Session):
            def request(self, method: str | bytes, *args: Any, **options: Any) -> Response:
                options["data"] = options.pop("params", None)
                response = super().request(method, *args, **options)
                if response.status_code != 200:
                    raise BackendError(BACKEND, f"{url} {_refusal(response)}", status=response.status_code)
                return response

        session = FormSession()
        session.verify = self._verify
        retry = Retry(
            total=_RETRIES,
            backoff_factor=0.3,
            status_forcelist=_RETRIED,
            allowed_methods=None,  # a query changes nothing, so a POST may be repeated
            raise_on_status=False,
        )
        return PrometheusConnect(
            url=url,
            headers=self._headers,
            retry=retry,
            auth=self._auth,
            session=session,
            timeout=self._timeout,
            method="POST",
        )


def series_name(labels: Mapping[str, str]) -> str:
    """Return labels as one canonical text: ``name{a="1",b="2"}``, the labels in order."""
    inner = ",".join(f"{k}={promql_string(v)}" for k, v in sorted(labels.items()) if k != "__name__")
    return f"{labels.get('__name__', '')}{{{inner}}}"


def without_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return ``url`` without user and password and without a final slash, and these two."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    plain = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
    if parts.username is None:
        return plain, None
    return plain, (unquote(parts.username), unquote(parts.password or ""))


def _instant_samples(result: Any) -> Iterator[Sample]:
    if result and not isinstance(result[0], dict):  # a scalar: one [time, value]
        result = [{"metric": {}, "value": result}]
    for entry in result:
        at, value = entry["value"]
        yield Sample(dict(entry["metric"]), datetime.fromtimestamp(float(at), UTC), float(value))


def _spans(start: datetime, end: datetime, step: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Yield spans of at most MAX_POINTS steps, each beginning one step after the last ended."""
    if step < timedelta(seconds=1):
        raise ValueError(f"step {step} is shorter than a second")
    while start <= end:
        last = min(end, start + (MAX_POINTS - 1) * step)
        yield start, last
        start += MAX_POINTS * step


def _refusal(response: Any) -> str:
    try:
        words = response.json()["error"]
    except (KeyError, TypeError, ValueError):
        words = response.text
    return f"answered {response.status_code}: {str(words)[:300]}"
