"""The operator's speed beside its peers: ``python -m tests.benchmarks --only speed``."""
