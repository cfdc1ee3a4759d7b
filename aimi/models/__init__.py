"""Models: what is published, what is at hand."""
