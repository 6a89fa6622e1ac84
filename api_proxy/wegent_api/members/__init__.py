"""Members of a namespace."""
