"""Describing a job: models, what people write, job files (Model)."""
