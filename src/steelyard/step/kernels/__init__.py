"""Seconds that one kernel holds a device: matrix products, attention, whatever only moves memory."""
