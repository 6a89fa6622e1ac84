"""The API proxy beside its peers."""
