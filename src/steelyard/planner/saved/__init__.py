"""Saved answers: files of `plan --json` and `estimate --json`, read, checked and asked again."""
