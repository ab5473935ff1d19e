"""What README and docs quote: each measures in one run and prints text, or JSON with --json."""
