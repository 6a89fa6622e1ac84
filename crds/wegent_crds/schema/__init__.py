"""The base of all kinds: fields, metadata, status, and extensions of OpenAPI."""
