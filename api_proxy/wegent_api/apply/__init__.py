"""Server-side apply of manifests, several in one request."""
