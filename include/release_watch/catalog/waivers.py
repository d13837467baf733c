"""Waivers: gaps that a named person accepted until a day. They are shown, and change no verdict."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from release_watch.clock import Timestamp


class Waiver(BaseModel):
    """A gap that a named person accepted until a day; ``service`` None: it is not about one service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str = Field(min_length=1)
    service: str | None = None
    granted_by: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    expires_at: Timestamp

    def expired(self, at: datetime) -> bool:
        """Return whether it no longer holds at ``at``."""
        return self.expires_at <= at


class Waivers(BaseModel):
    """``waivers.yaml``, which need not be there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    waivers: tuple[Waiver, ...] = ()
