"""`GET /events/`: the stream of transitions, from the rows to the browser."""
