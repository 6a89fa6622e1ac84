"""The API server as the caller: each request carries the caller's own token."""
