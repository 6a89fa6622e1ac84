"""The objects of the cluster in memory, reduced to the parts that verdicts need, and verdicts."""
