"""Agents at work: the loop of a Bot with its tools, and the modes of Teams."""
