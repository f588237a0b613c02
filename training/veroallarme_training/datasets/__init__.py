"""Datasets of crops, cut from folders of events."""
