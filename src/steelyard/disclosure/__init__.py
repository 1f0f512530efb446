"""What a run should say of itself: from a plan, a metered run or an audited claim to the forms that others read.

read(source, point, against) -> Disclosure      a plan's JSON, a metered run, a claim file, a case of the book
write(disclosure, format, today) -> str         hf, spdx, eu, sci, table, bibtex, html
mapping(disclosure)                             the same as a plain object, as `--json` prints it
"""

from steelyard.disclosure.ledger import Disclosure, Figure, Line
from steelyard.disclosure.origins.files import read
from steelyard.disclosure.write import FORMATS, mapping, write

__all__ = ["FORMATS", "Disclosure", "Figure", "Line", "mapping", "read", "write"]
