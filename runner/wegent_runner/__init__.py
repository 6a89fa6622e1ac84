"""The runner claims Tasks, calls LLMs, streams the answers and stores the transcripts."""
