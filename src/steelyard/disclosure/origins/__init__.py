"""What a disclosure can be made of: a plan, a metered run, an audited claim."""
