"""The code of the extractor plugins that tests install: sites on loopback, each with one habit."""

LOOPBACK = '''
import re

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.extractor.vimeo import VimeoIE
from yt_dlp.extractor.youtube.pot.provider import PoTokenProvider
from yt_dlp.networking import Request

HERE = r"https?://127\\.0\\.0\\.1:\\d+"


class Loopback(InfoExtractor):
    def _video(self, url):
        base, name = re.match(rf"({HERE})/\\w+/(\\w+)", url).groups()
        return {"id": name, "title": name, "url": f"{base}/video.mp4", "ext": "mp4"}


class LearningIE(Loopback):
    """Needs the answer of its site to a challenge, and remembers it."""

    _VALID_URL = rf"{HERE}/learning/(?P<id>\\w+)"

    def _real_extract(self, url):
        base = re.match(HERE, url)[0]
        answer = self.cache.load("soundcloud", "client_id")
        if not answer:
            answer = self._download_webpage(f"{base}/challenge", "challenge")
            self.cache.store("soundcloud", "client_id", answer)
            self.cache.store("vimeo", "oauth-token", answer)
        self._download_webpage(f"{base}/proof?{answer}", "proof")
        return self._video(url)


class AskingIE(Loopback):
    """Asks a server beside vnsite for a token."""

    _VALID_URL = rf"{HERE}/asking/(?P<id>\\w+)\\?(?P<server>.+)"

    def _real_extract(self, url):
        server = self._match_valid_url(url)["server"]
        self._download_json(f"http://{server}/token", "token")
        return self._video(url)


class TokensPTP(PoTokenProvider):
    """As providers of PO tokens for YouTube ask their servers."""

    PROVIDER_NAME = "tokens"

    def is_available(self):
        return True

    def _real_request_pot(self, request):
        server = Request(f"http://{request}/token", proxies={"all": None})
        return self._request_webpage(server, note=False)


class ProvidedIE(AskingIE):
    """Has a provider ask."""

    _VALID_URL = rf"{HERE}/provided/(?P<id>\\w+)\\?(?P<server>.+)"

    def _real_extract(self, url):
        TokensPTP(self, None, {})._real_request_pot(self._match_valid_url(url)["server"])
        return self._video(url)


class AskingThenLedIE(AskingIE):
    """Asks, then follows its site, which leads to the same server."""

    _VALID_URL = rf"{HERE}/led/(?P<id>\\w+)\\?(?P<server>.+)"

    def _real_extract(self, url):
        server = self._match_valid_url(url)["server"]
        self._download_json(f"http://{server}/token", "token")
        self._download_webpage(f"{re.match(HERE, url)[0]}/redirect", "page")
        return self._video(url)


class ManifestIE(Loopback):
    """Reads a manifest whose address a page may have named."""

    _VALID_URL = rf"{HERE}/manifest/(?P<id>\\w+)\\?(?P<server>.+)"

    def _real_extract(self, url):
        server = self._match_valid_url(url)["server"]
        return {**self._video(url), "url": None,
                "formats": self._extract_m3u8_formats(f"http://{server}/list.m3u8", "x")}


class MediaIE(Loopback):
    """Gives the server's address for its video."""

    _VALID_URL = rf"{HERE}/media/(?P<id>\\w+)\\?(?P<server>.+)"

    def _real_extract(self, url):
        return {**self._video(url), "url": f"http://{self._match_valid_url(url)['server']}/v.mp4"}


class WritingIE(Loopback):
    """Tries to write what other children would read."""

    _VALID_URL = rf"{HERE}/writing/(?P<id>\\w+)"

    def _real_extract(self, url):
        try:
            with open(self.cache._get_cache_fn("soundcloud", "client_id", "json"), "w") as file:
                file.write("written")
        except PermissionError:
            return {**self._video(url), "title": "refused"}
        return self._video(url)


class BrowserIE(Loopback):
    """Wants to look like a browser."""

    _VALID_URL = rf"{HERE}/browser/(?P<id>\\w+)"

    def _real_extract(self, url):
        self._download_webpage(url + "/api", "x", impersonate=True)
        return self._video(url)


class BetterVimeoIE(VimeoIE, plugin_name="better"):
    """In the place of yt-dlp's own."""


class BeforeYoutubeIE(InfoExtractor):
    _VALID_URL = r"https?://www\\.youtube\\.com/watch\\?v=plugin\\w+"
'''

BROKEN = "import nothing_of_this_name\n"
HIDDEN = "class HiddenIE: pass\n"
