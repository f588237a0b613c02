"""Training of the relevance network over the same core that judges events."""
