"""The WebSocket: many runs on one connection."""
