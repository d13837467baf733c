"""The light watch between two reviews: a few instant queries per poll, until a sign or the next review."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from release_watch.clock import now, rfc3339
from release_watch.evidence.inert import visible
from release_watch.watch.attention import FEWEST_POLLS, Attention, signs_in

if TYPE_CHECKING:
    from release_watch.orchestration.hooks.async_queries import AsyncQueries

ANSWER_WITHIN = 10.0
"""Seconds that all queries of a poll have together; a server that hangs is as one that is away."""

MOST_WORDS = 300


class ReviewTrigger(BaseTrigger):
    """Fires at ``moment``, or as soon as a sign shows that no review has seen.

    What cannot be asked ends nothing: the event says since when and why, and ``moment`` holds. All times are
    absolute, so that a restarted triggerer waits for the same moments.

    :param moment: ISO 8601 moment of the next review
    :param asked: connection and instant query of each question
    :param poll_seconds: pause between polls
    :param quiet_until: ISO 8601 moment before which no sign wakes a review
    :param known: signs that a review has seen
    :param waking: at how many polls in a row a sign must be seen
    """

    def __init__(
        self,
        *,
        moment: str,
        asked: Sequence[Sequence[str]],
        poll_seconds: float,
        quiet_until: str,
        known: Sequence[str] = (),
        waking: int = FEWEST_POLLS,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moment = moment
        self.asked = [[conn_id, query] for conn_id, query in asked]
        self.poll_seconds = poll_seconds
        self.quiet_until = quiet_until
        self.known = list(known)
        self.waking = waking
        self._servers: dict[str, AsyncQueries] = {}
        self._away: dict[str, str] | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments to make this trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "moment": self.moment,
            "asked": self.asked,
            "poll_seconds": self.poll_seconds,
            "quiet_until": self.quiet_until,
            "known": self.known,
            "waking": self.waking,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until a sign wakes a review or its moment has come."""
        moment, quiet = datetime.fromisoformat(self.moment), datetime.fromisoformat(self.quiet_until)
        attention = Attention(self.known, self.waking)
        # Watches that were opened together, or resumed by one triggerer, do not all ask at once.
        pause = self.poll_seconds * (zlib.crc32(repr(self.asked).encode()) % 1000) / 1000
        while (left := (moment - now()) / timedelta(seconds=1)) > 0:
            await asyncio.sleep(min(pause, left))  # in pieces: a clock may be set
            pause = self.poll_seconds
            left = (moment - now()) / timedelta(seconds=1)
            if left <= 0 or not self.asked:
                continue
            words = await self._poll(left)
            if words is None:
                continue
            if fresh := attention.look(words, quiet=now() < quiet):
                yield self._event(attention, [words[sign] for sign in fresh])
                return
        yield self._event(attention, [])

    def _event(self, attention: Attention, signs: list[str]) -> TriggerEvent:
        payload = {"signs": signs, "known": attention.known, "away": self._away, "at": rfc3339(now())}
        return TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def _poll(self, left: float) -> dict[str, str] | None:
        """Return the signs and their words, or None where a question was not answered in time.

        The last poll has only the seconds ``left`` until the review; that it had too few is no news.
        """
        try:
            answers = await asyncio.wait_for(
                asyncio.gather(*(self._ask(conn_id, query) for conn_id, query in self.asked)),
                min(ANSWER_WITHIN, left),
            )
            found = {
                name: visible(told, MOST_WORDS) for one in answers for name, told in signs_in(one).items()
            }
        except TimeoutError:
            if left > ANSWER_WITHIN:
                self._note_away(f"no answer in {ANSWER_WITHIN:g} s")
            return None
        except Exception as error:
            self._note_away(visible(f"{type(error).__name__}: {error}", MOST_WORDS))
            return None
        if self._away is not None and "until" not in self._away:
            self._away["until"] = rfc3339(now())
            self.log.info("The watch between reviews can ask again")
        return found

    def _note_away(self, reason: str) -> None:
        if self._away is None or "until" in self._away:
            self._away = {"since": rfc3339(now()), "reason": reason}
            self.log.warning("The watch between reviews cannot ask: %s", reason)

    async def _ask(self, conn_id: str, query: str) -> Any:
        from release_watch.orchestration.hooks.async_queries import AsyncQueries

        if conn_id not in self._servers:
            self._servers[conn_id] = AsyncQueries(conn_id)
        return await self._servers[conn_id].instant(query)
