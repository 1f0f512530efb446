"""Candidates, exact cuts, the frontier, and why a point is on it.

plan(spec) -> Plan                      named points of the exact frontier, or relaxations
estimate(spec, "H100", 64, "tp=2,…")    one pinned configuration as a Point
plan_mapping(plan), point_mapping(point)    the same as plain objects, keys ending in their unit
"""

from steelyard.search.answer import Plan, Point
from steelyard.search.job import estimate, plan
from steelyard.search.mapping import plan_mapping, point_mapping

__all__ = ["Plan", "Point", "estimate", "plan", "plan_mapping", "point_mapping"]
