"""Routes of the kinds: create, read, list, watch, write, delete, references."""
