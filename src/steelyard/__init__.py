"""Steelyard plans, meters and audits AI training: time, memory, money, energy and carbon on one beam."""
