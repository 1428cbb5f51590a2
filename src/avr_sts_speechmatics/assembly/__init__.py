"""Builds the parts of a call from the settings: services, observers, what is kept."""
