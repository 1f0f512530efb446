"""Fresh facts from live sources, when a user asks for them: a small plugin each, written to the user's own folder.

refresh_sources(sources, catalog, folder) -> SourceOutcome   one each; a failed one keeps what was there, and its age

Nothing here runs at import or in planning, and nothing here writes to the shipped tables.
"""

from steelyard.catalog.live.asking import SourceOutcome, refresh_sources
from steelyard.catalog.live.registry import SOURCES
from steelyard.catalog.live.source import Ask, LiveSource

__all__ = ["SOURCES", "Ask", "LiveSource", "SourceOutcome", "refresh_sources"]
