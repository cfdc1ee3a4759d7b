"""The annotation tasks, one module each."""
