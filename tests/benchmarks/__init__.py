"""Wegent's costs, by `make bench`: counts, sizes and ratios of one run; no test asserts them."""
