"""What the tasks of the protocol do: plain functions of the run, in the order of the phases."""
