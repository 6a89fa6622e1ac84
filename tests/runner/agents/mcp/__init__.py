"""MCP servers: their sessions, and their tools."""
