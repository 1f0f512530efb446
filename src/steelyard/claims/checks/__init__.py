"""What must hold within a claim, what cannot be, and which number is wrong where something does not hold."""
