"""Measures how well scorers of events tell relevant from irrelevant, all of them in one table."""
