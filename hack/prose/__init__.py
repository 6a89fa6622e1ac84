"""A check of the language of docstrings, comments and Markdown; `make lint` runs it."""
