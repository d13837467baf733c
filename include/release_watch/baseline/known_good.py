"""Baselines that a person has pinned as known to be good, to compare with instead of the last days.

They lie beside the artifacts, at ``<artifact root>/known-good/<environment>/<service>.json`` and the samples
beside it as Parquet. One that has expired is not used; one whose samples have changed is an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from release_watch.artifacts.models import SCHEMA_VERSION, Window
from release_watch.baseline.frames import from_parquet, to_parquet
from release_watch.clock import Timestamp, format_duration, rfc3339
from release_watch.errors import InvalidInputError
from release_watch.files import uri_of, write_whole
from release_watch.identifiers import identifier

if TYPE_CHECKING:
    from release_watch.artifacts.store import PathLike
    from release_watch.baseline.frames import Frames

FOLDER = "known-good"


class Pin(BaseModel):
    """Whose baseline was pinned for a service, by whom, why, and for how long."""

    model_config = ConfigDict(frozen=True)

    schema_version: str = SCHEMA_VERSION
    service: str
    release_id: str
    window: Window
    pinned_by: str
    pinned_at: Timestamp
    expires_at: Timestamp
    reason: str
    samples_sha256: str

    @property
    def words(self) -> str:
        """Say in a line what stands in for the window."""
        return (
            f"{self.release_id}, {rfc3339(self.window.start)} to {rfc3339(self.window.end)}, pinned by "
            f"{self.pinned_by} until {rfc3339(self.expires_at)}: {self.reason}"
        )


class Reference(NamedTuple):
    """What a release is compared with; ``pins`` are those of the services that have a known-good baseline."""

    series: Frames
    pins: dict[str, Pin]


class KnownGood:
    """The pinned baselines of one environment, none of them used after ``max_age`` (of its window's end)."""

    def __init__(
        self, artifact_root: PathLike, environment: str, *, max_age: timedelta | None = None
    ) -> None:
        self._folder: Any = artifact_root / FOLDER / identifier(environment, "environment")
        self._max_age = max_age

    def pin(
        self,
        service: str,
        samples: Frames,
        *,
        release_id: str,
        window: tuple[datetime, datetime],
        by: str,
        reason: str,
        at: datetime,
        expires_at: datetime,
    ) -> Pin:
        """Pin the samples of ``service`` among ``samples``; an earlier pin of the service is replaced.

        Raises:
            InvalidInputError: if there is no sample of the service, or the pin would have expired.
        """
        own = {key: values for key, values in samples.items() if key[0] == service and len(values)}
        if not own:
            raise InvalidInputError([f"known-good baseline of {service}: there are no samples to pin"])
        if expires_at <= at:
            raise InvalidInputError([f"known-good baseline of {service}: expires_at is not after now"])
        if self._max_age is not None and expires_at > (latest := window[1] + self._max_age):
            raise InvalidInputError(
                [
                    f"known-good baseline of {service}: {rfc3339(expires_at)} is later than "
                    f"{rfc3339(latest)}: policies.baseline.known_good_max_age allows "
                    f"{format_duration(self._max_age)} from the end of its window on"
                ]
            )
        data = to_parquet(own)
        pin = Pin(
            service=service,
            release_id=release_id,
            window=Window(start=window[0], end=window[1]),
            pinned_by=by,
            pinned_at=at,
            expires_at=expires_at,
            reason=reason,
            samples_sha256=hashlib.sha256(data).hexdigest(),
        )
        # The samples lie under their digest, so that a reader never sees those of one pin with another.
        write_whole(self._samples(pin), data)
        write_whole(self._record(service), pin.model_dump_json(indent=2).encode())
        return pin

    def holds(self, service: str) -> bool:
        """Return whether there is a pin of a service, be it expired or damaged."""
        return bool(self._record(service).exists())

    def unpin(self, service: str) -> None:
        """Take back the pin of a service; one without is no error. Its samples stay, as evidence."""
        if self.holds(service):
            self._record(service).unlink()

    def all(self) -> tuple[Pin, ...]:
        """Return every pin by service, those too that have expired.

        Raises:
            InvalidInputError: if one cannot be read.
        """
        if not self._folder.exists():
            return ()
        names = (str(path.name).removesuffix(".json") for path in self._folder.rglob("*.json"))
        found = (self._pin(name) for name in sorted(names))
        return tuple(pin for pin in found if pin is not None)

    def used_until(self, pin: Pin) -> datetime:
        """Return until when a pin is used: its own time, at most the longest age."""
        if self._max_age is None:
            return pin.expires_at
        return min(pin.expires_at, pin.window.end + self._max_age)

    def expired(self, services: Iterable[str], at: datetime) -> tuple[Pin, ...]:
        """Return the pins of the services that are no longer used; see :meth:`pinned`."""
        pins = (self._pin(service) for service in services)
        return tuple(pin for pin in pins if pin is not None and at >= self.used_until(pin))

    def pinned(self, service: str, at: datetime) -> Pin | None:
        """Return the pin of a service, None without one or after it has expired.

        Raises:
            InvalidInputError: if it cannot be read.
        """
        pin = self._pin(service)
        return pin if pin is not None and at < self.used_until(pin) else None

    def _pin(self, service: str) -> Pin | None:
        record = self._record(service)
        try:
            return Pin.model_validate_json(record.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise InvalidInputError(
                [f"{uri_of(record)}: {error.errors()[0]['msg']}; pin it again"]
            ) from error

    def reference(self, samples: Frames, services: Iterable[str], at: datetime) -> Reference:
        """Return ``samples``, with those of the pinned services replaced by what was pinned.

        A metric that the pin does not hold is left out for such a service: it was not known to be good.

        Raises:
            InvalidInputError: if a pin or its samples cannot be read, or are not those that were pinned.
        """
        pins = {service: pin for service in services if (pin := self.pinned(service, at))}
        series = {key: values for key, values in samples.items() if key[0] not in pins}
        for pin in pins.values():
            series |= self._read(pin)
        return Reference(series, pins)

    def _read(self, pin: Pin) -> Frames:
        file = self._samples(pin)
        try:
            data = bytes(file.read_bytes())
        except FileNotFoundError:
            raise InvalidInputError([f"{uri_of(file)}: is not there; pin the baseline again"]) from None
        if hashlib.sha256(data).hexdigest() != pin.samples_sha256:
            raise InvalidInputError([f"{uri_of(file)}: is not what was pinned; pin the baseline again"])
        return from_parquet(data)

    def _record(self, service: str) -> Any:
        return self._folder / f"{identifier(service, 'service')}.json"

    def _samples(self, pin: Pin) -> Any:
        name = f"{identifier(pin.service, 'service')}-{pin.samples_sha256[:16]}.parquet"
        return self._folder / name
