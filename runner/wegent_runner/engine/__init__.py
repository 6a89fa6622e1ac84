"""The engine: guarded requests to providers, streams of LLMs, and the runs of Tasks."""
