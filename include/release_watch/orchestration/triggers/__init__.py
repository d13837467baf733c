"""Triggers: they live in this installed package because the triggerer does not see the DAG folder."""
