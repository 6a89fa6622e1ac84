"""API keys: the runner's right to read the Secrets to which objects refer."""
