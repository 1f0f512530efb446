"""Published watts, goodput and footprints beside what the rooms make of them."""
