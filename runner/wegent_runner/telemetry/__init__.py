"""Metrics of the runner, and Events on Tasks."""
