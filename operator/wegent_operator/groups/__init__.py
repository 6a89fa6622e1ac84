"""Groups: the namespace, quota, limits and members of each group."""
