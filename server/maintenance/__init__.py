"""What an operator does with a service that runs: retention, garbage, backups."""
