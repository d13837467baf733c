"""The four quality gates: tables from the artifacts, Great Expectations suites over them, the verdict."""
