"""Hosts of devices, by system: their memory and their drives."""
