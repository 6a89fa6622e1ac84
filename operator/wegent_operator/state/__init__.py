"""The objects of the cluster as the operator remembers them, reduced to what verdicts need."""
