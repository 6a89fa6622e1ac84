"""The base of all kinds: shared fields, metadata, status and extensions of OpenAPI."""
