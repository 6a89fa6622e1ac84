"""Claiming Tasks: the pending Tasks, the slots, and the lease of each claim (docs/adr/0007)."""
