"""How figures and JSON are written; knows no subject."""
