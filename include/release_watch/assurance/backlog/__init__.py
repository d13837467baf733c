"""The improvement backlog: what is to be improved, each cause once, until it is gone."""

from __future__ import annotations

from release_watch.assurance.backlog.document import Amended, Entry, Origin, amended, copied, entries
from release_watch.assurance.backlog.filing import filed
from release_watch.assurance.backlog.items import BacklogItem, Priority, backlog_items, improvement
from release_watch.assurance.backlog.living import LivingBacklog
from release_watch.assurance.backlog.scope import Scope, scope_of

__all__ = [
    "Amended",
    "BacklogItem",
    "Entry",
    "LivingBacklog",
    "Origin",
    "Priority",
    "Scope",
    "amended",
    "backlog_items",
    "copied",
    "entries",
    "filed",
    "improvement",
    "scope_of",
]
