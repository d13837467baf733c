"""The task groups of the protocol; the DAG files only wire them."""
