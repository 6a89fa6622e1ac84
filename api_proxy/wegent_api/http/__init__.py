"""HTTP alone: bodies, queries, errors, streams. No module here calls the API server."""
