"""How the site is doing: checks, health, statistics, and the invariants of the lifecycle."""
