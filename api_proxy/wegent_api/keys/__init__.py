"""API keys of Models, which users write and can't read."""
