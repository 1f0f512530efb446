"""Measured runs as rows: what one is, the one reader of their files, which rows are not scored, and those that ship."""
