"""The commands. Each module registers its own with the application."""
