"""Operators: questions to people."""
