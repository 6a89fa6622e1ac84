"""The trash over REST: list, restore, purge."""
