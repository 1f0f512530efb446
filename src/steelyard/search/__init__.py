"""The exact search: families of layouts, what fits, what no offer could prefer less, the frontier."""
