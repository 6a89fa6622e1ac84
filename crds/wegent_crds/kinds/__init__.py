"""One module for each kind, named after the kind in lower case."""
