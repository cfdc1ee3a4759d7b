"""Commands of the project: what make and CI call."""
