"""The site, put together: configuration, URLs, ASGI, the server."""
