"""The controller of kinds that refer to others, and its verdict on the references."""
