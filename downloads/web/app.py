"""What makes the site an app that phones and desktops install: its manifest and service worker."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

ICONS = (("192", "any"), ("512", "any"), ("512", "maskable"))


@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """Answer the manifest (W3C Web Application Manifest, and its share target)."""
    home = reverse("dashboard")
    share = {
        "action": reverse("share"),
        "method": "POST",
        "enctype": "application/x-www-form-urlencoded",
        "params": {"title": "title", "text": "text", "url": "url"},
    }
    described = {
        "id": home,
        "name": "vnsite",
        "short_name": "vnsite",
        "description": gettext("Downloads of videos, from the link to the library."),
        "start_url": home,
        "scope": home,
        "display": "standalone",
        "theme_color": "#0a5cad",
        "background_color": "#f6f8fa",
        "icons": [_icon(size, purpose) for size, purpose in ICONS],
        "share_target": share,
        "shortcuts": [{"name": gettext("Add links"), "url": reverse("add_page")}],
    }
    return JsonResponse(described, content_type="application/manifest+json")


@require_safe
@never_cache
def service_worker(request: HttpRequest) -> HttpResponse:
    """Answer the script at the root of the site, which is its scope."""
    return render(request, "downloads/service_worker.js", content_type="text/javascript")


def _icon(size: str, purpose: str) -> dict[str, str]:
    name = f"icon-{size}.png" if purpose == "any" else f"icon-{size}-{purpose}.png"
    return {
        "src": static(f"downloads/{name}"),
        "sizes": f"{size}x{size}",
        "type": "image/png",
        "purpose": purpose,
    }
