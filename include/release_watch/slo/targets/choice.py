"""The target and the server of an environment's rules."""

from __future__ import annotations

from release_watch.slo.targets.directory import DirectoryTarget
from release_watch.slo.targets.gitops import GitOpsTarget
from release_watch.slo.targets.ruler import RulerTarget
from release_watch.slo.targets.settings import GitOpsSettings, RulerSettings, Way, way_of
from release_watch.slo.targets.target import RuleServer, RuleTarget
from release_watch.telemetry.backends import Backends, RuleBackends


def target_of(backends: Backends) -> RuleTarget:
    """Return where the rules of ``backends`` are put.

    Raises:
        NotConfiguredError: if a connection, or the rules folder, is missing.
        InvalidInputError: naming the connection and the key of each setting that is wrong.
    """
    way = way_of(backends)
    server = _server(way, backends)
    match way.settings:
        case RulerSettings():
            return RulerTarget(way.settings, server)
        case GitOpsSettings():
            return GitOpsTarget(way.settings, server, backends)
        case _:
            return DirectoryTarget(way.settings.directory, server, backends)


def server_of(backends: Backends) -> RuleServer:
    """Return the server that runs the rules of ``backends``.

    Raises:
        NotConfiguredError: if its connection is missing.
        InvalidInputError: naming the connection and the key of each setting that is wrong.
    """
    return _server(way_of(backends), backends)


def _server(way: Way, backends: Backends) -> RuleServer:
    if not isinstance(way.settings, RulerSettings):
        return RuleServer(backends.prometheus(), backends.metrics())
    own = way.settings.connection
    ruler = backends.ruler(own) if own and isinstance(backends, RuleBackends) else backends.prometheus()
    return RuleServer(ruler, backends.metrics(), manages_itself=False)
