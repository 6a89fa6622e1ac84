"""Converters: one module for each kind, with one function of a draft."""
