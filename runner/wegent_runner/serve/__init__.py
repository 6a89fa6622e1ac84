"""Serves the events and transcripts of runs to the API proxy."""
