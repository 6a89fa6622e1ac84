"""HTTP without the API server: bodies, queries, errors, streams. Nothing here calls it."""
