"""Imported last by the process that tests fork programs from: what it has imported stays as it is.

A program that starts collects garbage once. Without this, the collector writes to each object that
the program shares with that process, and so copies all of its memory.
"""

import gc

gc.collect()
gc.freeze()
