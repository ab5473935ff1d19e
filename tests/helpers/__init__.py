"""Servers, processes, rows and waits that several test modules share."""
