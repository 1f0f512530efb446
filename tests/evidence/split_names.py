"""What the page of accuracy calls each split that needs refits."""

NAMES = {
    ("step_time_s", "publisher"): "step time, a publisher with all of its tables left out",
    ("step_time_s", "family"): "step time, the families of a group's chips left out",
    ("step_time_s", "publisher and family"): "step time, a publisher and the families of its chips left out",
    ("step_time_s", "convention"): "step time, all runs of a convention left out, whoever ran them",
    ("step_time_s", "users, publisher"): "step time of users' runs, who ran them left out",
    ("step_time_s", "users, publisher and family"): "... and the families of their chips",
    ("step_time_s", "users, three anchors, group"): "... and three of their runs as anchors, the source left out",
    ("step_time_s", "three anchors, group"): "... and three of its runs as anchors, the source left out",
    ("step_time_s", "three anchors, family"): "... and three of its runs as anchors, the family of chips left out",
    ("step_time_s", "half as anchors"): "... and half of its runs as anchors, the source left out",
    ("gemm_s", "device"): "16-bit matrix products, a device left out",
    ("collective_s", "device"): "collectives above 1 MiB in a switched domain, a device left out",
    ("peak_memory_bytes", "stack"): "peak memory, a stack left out",
    ("node_power_w", "none"): "power of a node, its type in the fit",
    ("node_power_w", "node type"): "power of a node, its type left out",
}
"""By metric and split."""
