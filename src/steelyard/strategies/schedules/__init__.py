"""One file a pipeline schedule; `strategies.registry` finds them."""
