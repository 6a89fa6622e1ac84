"""Tests of Models: one short call each, which a runner makes."""
