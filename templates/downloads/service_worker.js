{% load i18n %}// Makes the site installable. It stores nothing: a page is never older than the server's.
addEventListener("install", () => skipWaiting());
addEventListener("fetch", (event) => {
  if (event.request.mode !== "navigate" || event.request.method !== "GET") return;
  const words = "{% filter escapejs %}{% translate "vnsite cannot be reached. Try again when its server runs." %}{% endfilter %}";
  const headers = { "Content-Type": "text/plain; charset=utf-8" };
  event.respondWith(fetch(event.request).catch(() => new Response(words, { status: 503, headers })));
});
