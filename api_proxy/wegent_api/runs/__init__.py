"""The runs of Tasks: their events and transcripts, relayed from the runners."""
