"""Service level objectives as teams write them, OpenSLO v1 or Sloth, checked and brought to one form."""
