"""The log of a run: its items, its events, and their positions."""
