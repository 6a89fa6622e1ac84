"""What Wegent costs: `make bench`. Counts, sizes and ratios of one run; no test asserts them."""
