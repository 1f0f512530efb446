"""A property may be slow once, when the first example reads the catalog; that is not a failure."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
