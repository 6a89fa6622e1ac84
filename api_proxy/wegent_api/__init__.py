"""The API proxy: REST in, Kubernetes API out, each request with its caller's own rights."""
