"""API keys of Models and headers of MCP servers, which users write and can't read."""
