"""The questions and their answers: plan, estimate, what if, when, where.

plan(spec) -> Plan                      named points of the exact frontier, or relaxations
estimate(spec, "H100", 64, "tp=2,…")    one pinned configuration as a Point
what_if([("20B", spec), …])             the points for each value of a field
plan_mapping(plan), point_mapping(point)    the same as plain objects, keys ending in their unit
"""

from steelyard.planner.answer import Plan, Point
from steelyard.planner.mapping import plan_mapping, point_mapping, what_if_mapping
from steelyard.planner.planning import estimate, plan
from steelyard.planner.variants import what_if

__all__ = ["Plan", "Point", "estimate", "plan", "plan_mapping", "point_mapping", "what_if", "what_if_mapping"]
