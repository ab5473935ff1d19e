"""The web side: pages, API, the live stream, health. Meets the worker's side only in rows."""
