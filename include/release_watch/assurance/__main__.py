"""``python -m release_watch.assurance``: what the nightly run looks at, asked for by hand."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from release_watch.assurance.drift import command as drift
from release_watch.assurance.quality import command as quality
from release_watch.assurance.tuning import command as tune
from release_watch.errors import InvalidInputError, ReleaseWatchError

FINE, FINDINGS, NOT_RUN = 0, 1, 2
COMMANDS = {"drift": drift, "quality": quality, "tune": tune}

EPILOG = """\
examples:
  python -m release_watch.assurance drift --environment production
  python -m release_watch.assurance drift --environment production --release shop-1.1.0 --json
  python -m release_watch.assurance drift --environment production --seen /var/lib/release-watch/drift.json
  python -m release_watch.assurance quality --environment production --since P30D --incidents incidents.csv
  python -m release_watch.assurance tune --environment production --since P90D --out tuning --store
  python -m release_watch.assurance tune --environment production --service checkout --alert HighErrorRate

exit codes:
  0  drift: all is as it was activated; quality: alerts were held against incidents; tune: all that was
     asked for was replayed, whether or not a change is proposed
  1  drift: something is not, or could not be looked at; quality: there were no incidents to hold alerts
     against; tune: an alert was not replayed; what is printed says who has to do what
  2  nothing was looked at: wrong usage, a configuration that has to be corrected, or a server that is away

docs/drift.md says what counts as drift, docs/alert-quality.md how alerts are judged, docs/tuning.md what is
proposed."""


def connected(environment: str) -> drift.Connected:
    """Return what an environment is reached with: its Airflow connections and the artifact root."""
    from release_watch.orchestration.hooks.backends import AirflowBackends
    from release_watch.orchestration.storage import artifact_root

    return drift.Connected(AirflowBackends(environment), artifact_root())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; what is wrong goes to standard error."""
    options = _parser().parse_args(arguments)
    # Airflow logs to where the result is printed; what failed at last is said by the result.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        return FINE if COMMANDS[options.command].run(options, connected) else FINDINGS
    except InvalidInputError as error:
        sys.stderr.write("\n".join(error.problems) + "\n")
    except (ReleaseWatchError, OSError) as error:
        sys.stderr.write(f"{error}\n")
    return NOT_RUN


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m release_watch.assurance", description=__doc__, epilog=EPILOG, formatter_class=form
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        summary = module.DESCRIPTION.partition(":")[0].replace("\n", " ")
        module.add_arguments(
            commands.add_parser(
                name, help=summary, description=module.DESCRIPTION, epilog=EPILOG, formatter_class=form
            )
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
