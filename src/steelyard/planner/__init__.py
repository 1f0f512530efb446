"""The questions and their answers: plan, estimate, explain, what if, when, where.

plan("llama-3-8b", tokens="20B")                named points of the exact frontier, or relaxations
estimate("llama-3-8b", "H100:64", tokens="20B")  one pinned configuration
explain, where, when                            of a point of a plan, or of a pinned configuration
what_if("llama-3-8b", "tokens=10B,20B")          the points for each value of a field

Every answer is a frozen type: `to_dict()` is its JSON, `from_dict()` reads it back.
"""

from steelyard.planner.answers import Estimate, Explanation, Plan, Point
from steelyard.planner.hours import When
from steelyard.planner.questions import estimate, explain, plan, what_if, when, where
from steelyard.planner.sites import Where
from steelyard.planner.variants import Variant, WhatIf

__all__ = [
    "Estimate",
    "Explanation",
    "Plan",
    "Point",
    "Variant",
    "WhatIf",
    "When",
    "Where",
    "estimate",
    "explain",
    "plan",
    "what_if",
    "when",
    "where",
]
