"""Alert tuning: what alerts were worth, changes proven on the past, and putting them into force.

Nothing is imported here: the DAG file that asks for a change reads :mod:`.request` each time it is parsed.
"""
