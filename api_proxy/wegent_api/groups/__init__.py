"""Namespaces of groups: Groups, which their callers write with their own rights."""
