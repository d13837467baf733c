"""The embedded stack: real servers, a small shop under load, and fault switches, all on 127.0.0.1.

``python -m sandbox up`` starts it, ``python -m sandbox down`` ends it; tests use ``sandbox.stack.Stack``.
"""
