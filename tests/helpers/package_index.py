"""A package index on loopback (PEP 691), with wheels of yt-dlp made from the installed one."""

import base64
import hashlib
import importlib.metadata
import io
import json
import threading
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from packaging.utils import canonicalize_name

from downloads.updates.index import JSON

INSTALLED = importlib.metadata.version("yt-dlp")

Damage = Callable[[dict[str, bytes]], None]


def newer(days: int, *, nightly: bool = False) -> str:
    """A version that was released so many days after the installed one."""
    at = date(*map(int, INSTALLED.split(".")[:3])) + timedelta(days=days)
    return f"{at.year}.{at.month}.{at.day}" + (".120000.dev0" if nightly else "")


@cache
def installed_files(package: str) -> dict[str, bytes]:
    """The files of an installed package, by their names in a wheel."""
    distribution = importlib.metadata.distribution(package)
    names = [
        str(path)
        for path in distribution.files or []
        if not str(path).startswith("..") and path.suffix != ".pyc"
    ]
    return {name: Path(str(distribution.locate_file(name))).read_bytes() for name in names}


def files_of(package: str, version: str) -> dict[str, bytes]:
    """The files of the installed package as if it were of this version."""
    present = importlib.metadata.version(package)
    files = dict(installed_files(package))
    info = f"{canonicalize_name(package).replace('-', '_')}-{present}.dist-info/"
    files = {name.replace(info, info.replace(present, version)): files[name] for name in files}
    metadata = f"{info.replace(present, version)}METADATA"
    old, new = f"\nVersion: {present}\n".encode(), f"\nVersion: {version}\n".encode()
    files[metadata] = files[metadata].replace(old, new)
    return files


def wheel_of(files: dict[str, bytes], info: str) -> bytes:
    """Zip files as a wheel; a RECORD that is there already is left as it is."""
    record = f"{info}/RECORD"
    if b"keep" not in files.get(record, b""):
        files[record] = "".join(f"{name},{_hash(files[name])},\n" for name in files).encode()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return content.getvalue()


def _hash(body: bytes) -> str:
    return f"sha256={base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip('=')}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: Any) -> None:
        """A client that hangs up is part of many tests."""


@dataclass
class PackageIndex:
    """What it offers may be changed while it runs."""

    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by package
    bodies: dict[str, bytes] = field(default_factory=dict)  # by the name of the file
    hits: Counter[str] = field(default_factory=Counter)
    status: int = 200
    before_body: Callable[[str], object] = lambda name: None  # called before a file is sent

    def __enter__(self) -> Self:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/simple/"

    def offer(self, package: str, version: str, body: bytes, **values: Any) -> str:
        """Offer a wheel; `values` replace what the index says of it. Returns its file's name."""
        tag = values.pop("tag", "py3-none-any")
        name = f"{package.replace('-', '_')}-{version}-{tag}.whl"
        self.bodies[name] = body
        said = {
            "filename": name,
            "url": f"../../files/{name}",
            "hashes": {"sha256": hashlib.sha256(body).hexdigest()},
            "size": len(body),
            "requires-python": ">=3.10",
        }
        self.files.setdefault(package, []).append(said | values)
        return name

    def release(self, version: str, *, damage: Damage = lambda files: None, **values: Any) -> str:
        """Offer a yt-dlp of this version, damaged or not, with the scripts that it needs."""
        files = files_of("yt-dlp", version)
        damage(files)
        if "yt-dlp-ejs" not in self.files:
            scripts = importlib.metadata.version("yt-dlp-ejs")
            body = wheel_of(files_of("yt-dlp-ejs", scripts), info=f"yt_dlp_ejs-{scripts}.dist-info")
            self.offer("yt-dlp-ejs", scripts, body)
        return self.offer(
            "yt-dlp", version, wheel_of(files, f"yt_dlp-{version}.dist-info"), **values
        )

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.rstrip("/").rpartition("/")[2]
        self.hits[name] += 1
        body, media_type = self.bodies.get(name), "application/octet-stream"
        if body is None:
            media_type = JSON
            page = {"meta": {"api-version": "1.0"}, "name": name, "files": self.files.get(name, [])}
            body = json.dumps(page).encode()
        request.send_response(self.status)
        request.send_header("Content-Type", media_type)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        self.before_body(name)
        request.wfile.write(body)
