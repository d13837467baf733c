"""``python -m release_watch.artifacts DIR`` writes the JSON Schema of every artifact into DIR."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from release_watch.artifacts.models import PUBLISHED, Artifact
from release_watch.assurance.scorecard import NAME as SCORECARD
from release_watch.assurance.scorecard import Scorecard

DOCUMENTED: dict[str, type[Artifact]] = {**PUBLISHED, SCORECARD: Scorecard}
"""Every JSON artifact whose schema is published; those of ``assurance`` build on the artifacts."""


def write_schemas(folder: Path) -> list[Path]:
    """Write one ``<artifact>.schema.json`` per JSON artifact and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, model in DOCUMENTED.items():
        path = folder / f"{name.removesuffix('.json')}.schema.json"
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **model.model_json_schema(mode="serialization"),
        }
        path.write_text(json.dumps(schema, indent=2) + "\n")
        written.append(path)
    return written


def main() -> None:
    """Parse the command line and write the schemas."""
    parser = argparse.ArgumentParser(prog="python -m release_watch.artifacts", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the schemas go, for example docs/schemas")
    for path in write_schemas(parser.parse_args().folder):
        print(path)  # noqa: T201 - a command line prints


if __name__ == "__main__":
    main()
