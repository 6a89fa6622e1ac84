"""Accounts of users: registration, login, passwords, tokens, and what admins do with them."""
