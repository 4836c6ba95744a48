"""What the runner does for each kind of job: train, search, export, refine, assess."""
