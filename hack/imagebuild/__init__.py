"""Container images without a container engine: files become layers, layers an OCI archive."""
