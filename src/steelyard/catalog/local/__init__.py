"""The rows of a user over the shipped ones: calibrations, and what live sources gave; on disk, merged, compared."""
