"""The live sources, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from steelyard.catalog.live.aws import AWS
from steelyard.catalog.live.azure import AZURE
from steelyard.catalog.live.eia import EIA
from steelyard.catalog.live.electricity_maps import ELECTRICITY_MAPS
from steelyard.catalog.live.ember import EMBER
from steelyard.catalog.live.gb_grid import GB_GRID
from steelyard.catalog.live.gcp import GCP
from steelyard.catalog.live.gpuhunt import GPUHUNT
from steelyard.catalog.live.source import LiveSource

SOURCES: Mapping[str, LiveSource] = MappingProxyType(
    {one.name: one for one in (AWS, AZURE, GCP, GPUHUNT, ELECTRICITY_MAPS, EIA, GB_GRID, EMBER)}
)
