"""Models: their description in words, by name or from a configuration, and what it comes to in numbers."""
