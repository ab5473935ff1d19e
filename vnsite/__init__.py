"""How the site is put together: configuration, URLs, ASGI, the server."""
