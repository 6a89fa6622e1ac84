"""Verdicts on references between objects."""
