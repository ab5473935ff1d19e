"""Users' API tokens, and the first administrator."""
