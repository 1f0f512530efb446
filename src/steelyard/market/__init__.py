"""What there is to choose from: accelerators in systems, stacks, sites, and the deals that sell them to a job."""
