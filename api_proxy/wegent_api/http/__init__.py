"""HTTP on its own: bodies, queries, errors, streams. Nothing here asks the API server."""
