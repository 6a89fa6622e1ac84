"""Watches and lists that feed the state, and the health they report."""
