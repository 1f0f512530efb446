"""The forms in which others read a disclosure, one file each."""
