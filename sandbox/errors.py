"""What can go wrong in the sandbox, in words that say what to do next."""

from __future__ import annotations


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the message says what happened, where, and what to do."""


class ProgramsMissingError(SandboxError):
    """A server program is neither on PATH nor obtainable on this machine."""


class PortError(SandboxError):
    """A configured port is not a port, or somebody else listens on it."""


class ServerFailedError(SandboxError):
    """A server ended or did not answer in time."""
