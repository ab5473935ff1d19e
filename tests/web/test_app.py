"""The site can be installed as an app."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.test import Client, RequestFactory
from django.urls import set_script_prefix

from downloads.web import app

pytestmark = pytest.mark.django_db


@pytest.fixture
def manifest(client: Client) -> Any:
    return client.get("/manifest.webmanifest").json()


def size_of(name: str) -> str:
    """The size that the head of a PNG file says."""
    path = finders.find(name)
    assert path is not None
    head = Path(path).read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    return "x".join(map(str, struct.unpack(">II", head[16:])))


def test_the_icons_are_there_in_the_sizes_that_the_manifest_says(manifest: Any) -> None:
    found = {icon["sizes"] + " " + icon["purpose"] for icon in manifest["icons"]}

    assert found == {"192x192 any", "512x512 any", "512x512 maskable"}
    for icon in manifest["icons"]:
        file = icon["src"].partition("downloads/")[2]
        assert size_of(f"downloads/{file}") == icon["sizes"]
    assert size_of("downloads/apple-touch-icon.png") == "180x180"


def test_what_is_shared_is_sent_to_a_page_that_takes_it(client: Client, manifest: Any) -> None:
    target = manifest["share_target"]
    assert (target["method"], target["enctype"]) == ("POST", "application/x-www-form-urlencoded")

    shared = {name: f"a {field}" for field, name in target["params"].items()}

    assert client.post(target["action"], shared).status_code == 303


def test_the_app_is_below_the_prefix_of_the_site(rf: RequestFactory) -> None:
    set_script_prefix("/videos/")
    try:
        answer = json.loads(app.manifest(rf.get("/")).content)
    finally:
        set_script_prefix("/")

    addresses = [answer["start_url"], answer["scope"], answer["share_target"]["action"]]
    assert addresses == ["/videos/", "/videos/", "/videos/add/share"]


@pytest.mark.parametrize("path", ["/", "/login/"])
def test_every_page_names_the_manifest(client: Client, user: User, path: str) -> None:
    if path == "/":
        client.force_login(user)

    assert 'rel="manifest" href="/manifest.webmanifest"' in client.get(path).content.decode()


def test_the_service_worker_stores_nothing_and_is_at_the_root(client: Client) -> None:
    answer = client.get("/service-worker.js")

    assert answer["Content-Type"] == "text/javascript"
    assert "no-store" in answer["Cache-Control"]
    assert "caches" not in answer.content.decode()


def test_the_policy_lets_the_manifest_in() -> None:
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]

    assert policy["manifest-src"] == ["'self'"]
