"""What is read once and shared; an error is shared too, so that a server that is away is asked once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from release_watch.errors import ReleaseWatchError

T = TypeVar("T")


class Once(Generic[T]):
    """Calls ``read`` when it is asked for the first time, and gives the same answer, or error, ever after."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._answer: list[T] = []
        self._error: ReleaseWatchError | None = None

    def __call__(self) -> T:
        """Return what was read.

        Raises:
            ReleaseWatchError: whatever reading raised, each time.
        """
        if self._error is not None:
            raise self._error
        if not self._answer:
            try:
                self._answer.append(self._read())
            except ReleaseWatchError as error:
                self._error = error
                raise
        return self._answer[0]
