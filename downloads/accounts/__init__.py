"""Users' preferences and API tokens, and the first administrator."""
