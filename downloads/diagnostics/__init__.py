"""The state of the site: checks, health, statistics, and the invariants of the lifecycle."""
