"""Agents at work: tools, Skills, and the modes of Teams."""
