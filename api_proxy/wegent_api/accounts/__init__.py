"""User accounts: registration, login, passwords, tokens, and their administration."""
