"""The client for the API server: each request carries the caller's own token."""
