"""Limits beyond one Task: the calls of a Model at once, and the usage of a namespace."""
