"""The rate of the network that a row's interconnect writes, for one device: adapters, nodes, generations.

Rates of networks are printed in Gb/s, of links inside a node in GB/s. A rate belongs to an adapter, a node or a device;
the words beside it say to which. Where they say of an adapter alone, the number of adapters is not stated.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache

PER_DEVICE_GBIT = 400.0
"""A lone rate of at least this is one adapter beside each device (ConnectX-7, one per GPU); less is a node's."""

GENERATIONS_GBIT = {"edr": 50.0, "hdr": 200.0, "hdr100": 100.0, "ndr": 400.0, "xdr": 800.0, "slingshot": 200.0}
"""Of one device where only the generation is named: an adapter each; of EDR, DGX-1 has four for eight devices.
Source: InfiniBand Trade Association roadmap (4x links); HPE Slingshot 200 Gb/s, one per GPU or superchip on Alps and
Frontier-class nodes; NVIDIA DGX-1 user guide (from memory)."""

ADAPTER_GBIT = {
    "fdr": 56.0,
    "edr": 100.0,
    "hdr": 200.0,
    "hdr100": 100.0,
    "ndr": 400.0,
    "xdr": 800.0,
    "slingshot": 200.0,
}
"""Of one adapter of a generation, four lanes."""

MOST_GBIT = 800.0
"""No single adapter has more (ConnectX-8); a larger rate is a node's."""

_NUMBERS = {"one": 1, "single": 1, "dual": 2, "two": 2, "four": 4, "quad": 4, "eight": 8}
_COUNT = rf"(\d+|{'|'.join(_NUMBERS)})"
_RATE = r"(\d+(?:\.\d+)?)(?:/\d+)?[ -]*(g|t)(?:b|bps|bps|bit|bits|b/s|bit/s|igabit|e|be)?(?![a-z])(?:/s)?"
_LANES = rf"({'|'.join(sorted(ADAPTER_GBIT, key=len, reverse=True))})(?:[ -]?\d{{2,3}})?\b"
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*Gi?B(?:/s|ps)")
_INSIDE = re.compile(r"nvlink|nvswitch|nvl\d+|infinity fabric|xgmi|hccs|pcie|in the node|intra|bytes:")
_NETWORK = re.compile(
    r"infiniband|\bib\b|roce|ethernet|gbe\b|gige|efa|rdma|slingshot|omni-?path|\bopa\b|nics?\b|[hnxef]dr|connectx"
    r"|cx-?\d|tcpx|network|between nodes|per node|/node|adapter"
)
_OF_DEVICE = re.compile(r"(per|/|each) ?(gpu|device|chip|accelerator|tpu|npu)")
_OF_NODE = re.compile(
    r"(per|/|a) ?(node|host|server|machine|vm|instance)|total|aggregate|\befa\b|\baws\b|\bena\b|gvnic"
)
"""Amazon and Google print the rate of an instance."""


@dataclass(frozen=True, slots=True)
class NetworkRate:
    """What one device has of its node's network."""

    gbit: float  # Gb/s, one direction; NaN where none is stated
    open: bool = False  # how many adapters a node has is not stated


@lru_cache(maxsize=4096)
def network_rate(text: str, node_devices: float) -> NetworkRate:
    """Return the stated network rate of one device.

    >>> [network_rate(text, 8).gbit for text in ("4x200 Gb/s IB", "4x Slingshot 200 Gb/s", "8 x 400G NDR", "8x HDR")]
    [100.0, 100.0, 400.0, 200.0]
    >>> [network_rate(text, 8).gbit for text in ("1600Gbps/node RoCE", "200 Gb/s per GPU", "25 GbE", "3.2 Tbps EFA")]
    [200.0, 200.0, 3.125, 400.0]
    >>> network_rate("Selene HDR IB", 8), network_rate("NVLink 600 GB/s", 8)
    (NetworkRate(gbit=200.0, open=True), NetworkRate(gbit=nan, open=False))
    """
    plain = _BYTES.sub(lambda rate: f"bytes: {8 * float(rate[1]):g} gb/s", text)
    plain = re.sub(r"hdr[ -]?100\b", "hdr100", re.sub("[×*]", "x", plain.lower()))
    parts = [part for part in re.split(r"[+,;()]| and ", plain) if not _INSIDE.search(part) or _NETWORK.search(part)]
    for part in parts:
        if (total := _counted(part)) is not None:
            return NetworkRate(total if _OF_DEVICE.search(plain) else total / node_devices)
    for part in parts:
        if one := re.search(_RATE, part):
            return _lone(plain, float(one[1]) * (1000.0 if one[2] == "t" else 1.0), node_devices)
    named = re.search(rf"\b{_LANES}", plain)
    rate = GENERATIONS_GBIT.get(named[1], math.nan) if named else math.nan
    return NetworkRate(rate, open=not math.isnan(rate))


def _counted(part: str) -> float | None:
    """Return the sum of the adapters that a part of the text counts, each with its rate or generation; else None."""
    several = re.search(rf"\b{_COUNT}( *x[ -]*| *x?[ -]+[a-z]+[\w-]*[ -]*(?:[a-z]+ +)?){_RATE}", part)
    if several is None:
        several = re.search(rf"\b{_COUNT}( +){_RATE} +(?:[a-z]+ +){{0,2}}(?:nic|adapter|hca|port|rail)", part)
    if several is None and not part.strip()[:1].isdigit():
        several = re.search(rf"\b({'|'.join(_NUMBERS)})( +){_RATE}", part)
    if several:
        return _number(several[1]) * float(several[3]) * (1000.0 if several[4] == "t" else 1.0)
    counted = re.search(rf"\b{_COUNT} *(?:x|-?rail)?[ -]*{_LANES}", part)
    return _number(counted[1]) * ADAPTER_GBIT[counted[2]] if counted else None


def _lone(text: str, rate: float, node_devices: float) -> NetworkRate:
    """Return what one rate without a count before it gives a device: its own, its node's, or an adapter's."""
    adapters = re.search(rf"\b{_COUNT}[ -]*(?:nics?|adapters?|hcas?|ports?|rails?)\b", text)
    if adapters:
        return NetworkRate(_number(adapters[1]) * rate / node_devices)
    if _OF_DEVICE.search(text):
        return NetworkRate(rate)
    if _OF_NODE.search(text) or rate > MOST_GBIT:
        return NetworkRate(rate / node_devices)
    lanes = re.search(rf"\b{_LANES}", text)
    if lanes and rate == ADAPTER_GBIT[lanes[1]] and lanes[1] in GENERATIONS_GBIT:
        return NetworkRate(GENERATIONS_GBIT[lanes[1]], open=True)
    return NetworkRate(rate if rate >= PER_DEVICE_GBIT else rate / node_devices, open=True)


def _number(text: str) -> float:
    return float(_NUMBERS.get(text, text))
