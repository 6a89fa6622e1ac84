"""Watches and lists that fill the cache, and the health that they report."""
