"""Drills: synthetic incidents sent through the real alert path, and what became of them.

``plan`` says which routes the release's alerts can take, ``drill`` fires and concludes, ``receipts`` holds
what reached a receiver and who answered, ``diagnosis`` says which hop failed and why.
"""
