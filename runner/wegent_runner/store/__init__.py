"""Stores transcripts in SQLite or PostgreSQL."""
