"""How a site can write down where it wants a download to go, and every way in which it can say so.

What yt-dlp follows leads to the address; a page may also name what it never fetches.
"""

from collections.abc import Callable
from html import escape

from tests.egress.networks import NAME_OF_THE_MACHINE, NEIGHBOUR, NEIGHBOUR_V6, OWN, OWN_V6
from tests.helpers.scripted_site import Answer, Request, ScriptedSite

# Hosts of a URL that a client without a guard reaches a canary by.
LEADING = (
    "127.0.0.1",
    "127.8.8.8",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0X7F.1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0177.0x0.1",
    "0.0.0.0",
    "0",
    "0x0",
    "localhost",
    "LOCALHOST",
    "[::1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:FFFF:7F00:1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:0:7f00:1]",  # IPv4-translated
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[64:ff9b:1:7f00:0:100::]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::1]",  # Teredo: the server
    "[2001:0:b00:1:0:0:80ff:fffe]",  # Teredo: the client
    OWN,
    f"[{OWN_V6}]",
    f"[::ffff:{OWN}]",
    "[64:ff9b::b00:2]",  # NAT64 of its own address
    "[2002:b00:2::1]",
    "10.0.0.2",
    NEIGHBOUR,
    "10.1",
    "167772161",
    "0xa.0.0.1",
    "012.1",
    "[::ffff:10.0.0.1]",
    "169.254.169.254",
    "2852039166",
    "0xA9FEA9FE",
    "0251.0376.0251.0376",
    "169.254.43518",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    f"[{NEIGHBOUR_V6}]",
    "[fec0::1]",
    "[5f00::1]",
    "192.168.0.1",
    "172.16.0.1",
    "100.64.0.1",
    "192.88.99.1",
    "198.18.0.1",
    "203.0.113.1",
    "240.0.0.1",
    NAME_OF_THE_MACHINE,  # of /etc/hosts
    "nas",
    "private.example",  # of the name server
    "PRIVATE.Example.",
    "private6.example",
    "metadata.example",
    "own.example",
    "loopback.example",
    "mapped.example",
    "loopback6.example",
)
# Hosts that clients refuse or nobody knows: they must not lead there either.
ODD = (
    "localhost.",
    "any.localhost",
    "127.0.0.1.",
    "[::1%25lo]",
    "[fe80::1%25near]",
    "[fe80::1%near]",
    "\uff11\uff12\uff17.0.0.1",
    "\uff11\uff12\uff17\uff0e\uff10\uff0e\uff10\uff0e\uff11",
    "①②⑦.⓪.⓪.①",
    "127\u30020\u30020\u30021",
    "ⓛocalhost",
    "%31%32%37.0.0.1",
    "127.0.0.1%2e",
    "127%2e0%2e0%2e1",
    "loc%61lhost",
    "%6c%6f%63%61%6c%68%6f%73%74",
    "127.0.0.1%00.example",
    "127.0.0.1%23.site.example",
    "site.example%23@127.0.0.1",
    "site.example@127.0.0.1",
    "127.0.0.1\\@site.example",
    "site.example\\.127.0.0.1",
    "[127.0.0.1]",
    "[::ffff:127.0.0.1",
    "127.0.0.1:80:80",
    "4294967297",
    "0x17f000001",
    "00000000000177.1",
    "127.00000.1",
    "1.2.3.4.5",
    "255.255.255.255",
    "224.0.0.1",
    "[ff02::1]",
    "[ff0e::1]",
)
NAMES = {
    "private.example": [NEIGHBOUR],
    "private6.example": [NEIGHBOUR_V6],
    "metadata.example": ["169.254.169.254"],
    "own.example": [OWN],
    "loopback.example": ["127.0.0.1"],
    "loopback6.example": ["::1"],
    "mapped.example": ["::ffff:10.0.0.1"],
}

# Prepares the site to lead to a URL, the second value; returns the URL that a person pastes.
Way = Callable[[ScriptedSite, str], str]


def page(head: str = "", body: str = "") -> Answer:
    return Answer(body=f"<!doctype html><title>A page</title>{head}<body>{body}</body>")


def media(body: str | bytes, media_type: str) -> Answer:
    return Answer(body=body, media_type=media_type, headers={"Accept-Ranges": "bytes"})


def hls(*lines: str) -> Answer:
    head = ("#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-TARGETDURATION:1")
    return media("\n".join((*head, *lines, "")), "application/vnd.apple.mpegurl")


def master(*lines: str) -> Answer:
    return media("\n".join(("#EXTM3U", *lines, "")), "application/vnd.apple.mpegurl")


def dash(*, head: str = "", adaptation: str = "", representation: str = "") -> Answer:
    return media(
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" type="static" '
        'mediaPresentationDuration="PT2S" profiles="urn:mpeg:dash:profile:isoff-main:2011">'
        f'{head}<Period><AdaptationSet mimeType="video/mp4">{adaptation}'
        f'<Representation id="1" bandwidth="1" width="16" height="9">{representation}'
        "</Representation></AdaptationSet></Period></MPD>",
        "application/dash+xml",
    )


def typed(_site: ScriptedSite, url: str) -> str:
    return url


def redirect(status: int, location: str = "{url}") -> Way:
    def way(site: ScriptedSite, url: str) -> str:
        text = location.format(url=url, rest=url.partition("://")[2])
        return site.serve("/start", Answer(status=status, headers={"Location": text}))

    return way


def two_redirects(site: ScriptedSite, url: str) -> str:
    site.serve("/next", Answer(status=307, headers={"Location": url}))
    return site.serve("/start", Answer(status=302, headers={"Location": "/next"}))


def later_redirect(site: ScriptedSite, url: str) -> str:
    """The look at the beginning of the file is answered, the request for all of it is sent on."""
    looks = 0

    def answer(_request: Request) -> Answer:
        nonlocal looks
        looks += 1
        if looks == 1:
            return media(b"\0\0\0\x18ftypmp42" + b"\0" * 4000, "video/mp4")
        return Answer(status=302, headers={"Location": url})

    return site.serve("/video.mp4", answer)


def serving(answer: Callable[[str], Answer], path: str = "/start") -> Way:
    def way(site: ScriptedSite, url: str) -> str:
        site.serve("/segment.ts", media(b"\x47" + b"\0" * 187, "video/mp2t"))
        site.serve("/sent-on", Answer(status=302, headers={"Location": url}))
        site.serve("/variant.m3u8", hls("#EXTINF:1,", url, "#EXT-X-ENDLIST"))
        site.serve("/good.m3u8", hls(*END))
        site.serve("/video.mp4", media(b"\0\0\0\x18ftypmp42" + b"\0" * 400, "video/mp4"))
        return site.serve(path, answer(url))

    return way


END = ("#EXTINF:1,", "/segment.ts", "#EXT-X-ENDLIST")
VARIANT = "#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=16x9"
SCRIPT = '<script type="application/ld+json">{{"@context": "https://schema.org", {}}}</script>'

FOLLOWED: dict[str, Way] = {
    "live HLS": serving(lambda url: hls("#EXTINF:1,", url)),
    "typed": typed,
    **{f"redirect {status}": redirect(status) for status in (301, 302, 303, 307, 308)},
    "redirect without a scheme": redirect(302, "//{rest}"),
    "redirect to https": redirect(302, "https://{rest}"),
    "redirect in capitals": redirect(302, "HTTP://{rest}"),
    "redirect with a user": redirect(302, "http://site.example@{rest}"),
    "redirect with a password": redirect(302, "http://site.example:80@{rest}"),
    "redirect and redirect": two_redirects,
    "redirect of the second request": later_redirect,
    "video": serving(lambda url: page(body=f'<video src="{escape(url)}"></video>')),
    "source": serving(lambda url: page(body=f'<video><source src="{escape(url)}"></video>')),
    "open graph": serving(lambda url: page(f'<meta property="og:video" content="{escape(url)}">')),
    "twitter player": serving(
        lambda url: page(
            f'<meta name="twitter:player:stream" content="{escape(url)}">'
            '<meta name="twitter:player:stream:content_type" content="video/mp4">'
        )
    ),
    "meta refresh": serving(
        lambda url: page(f'<meta http-equiv="refresh" content="0; url={escape(url)}">')
    ),
    "refresh header": serving(
        lambda url: Answer(body="<title>x</title>", headers={"Refresh": f"0; url={url}"})
    ),
    "content of JSON-LD": serving(
        lambda url: page(
            SCRIPT.format(f'"@type": "VideoObject", "name": "x", "contentUrl": "{url}"')
        )
    ),
    "playlist in a page": serving(
        lambda url: page(body=f'<video><source src="{escape(url)}?.m3u8"></video>')
    ),
    "HLS variant": serving(lambda url: master(VARIANT, url)),
    "HLS sound": serving(
        lambda url: master(
            f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x",DEFAULT=YES,URI="{url}"',
            f'{VARIANT},AUDIO="a",CODECS="avc1.64001f,mp4a.40.2"',
            "/good.m3u8",
        )
    ),
    "HLS fragment": serving(lambda url: hls("#EXTINF:1,", url, "#EXT-X-ENDLIST")),
    "HLS fragment of a variant": serving(lambda _url: master(VARIANT, "/variant.m3u8")),
    "HLS fragment that is sent on": serving(
        lambda _url: hls("#EXTINF:1,", "/sent-on", "#EXT-X-ENDLIST")
    ),
    "HLS key": serving(lambda url: hls(f'#EXT-X-KEY:METHOD=AES-128,URI="{url}"', *END)),
    "HLS key that is sent on": serving(
        lambda _url: hls('#EXT-X-KEY:METHOD=AES-128,URI="/sent-on"', *END)
    ),
    "HLS initialisation": serving(lambda url: hls(f'#EXT-X-MAP:URI="{url}"', *END)),
    "DASH base": serving(lambda url: dash(representation=f"<BaseURL>{escape(url)}</BaseURL>")),
    "DASH base of all": serving(
        lambda url: dash(
            head=f"<BaseURL>{escape(url)}</BaseURL>",
            representation='<SegmentList><SegmentURL media="a.mp4"/></SegmentList>',
        )
    ),
    "DASH segment": serving(
        lambda url: dash(
            representation=f'<SegmentList duration="1"><SegmentURL media="{escape(url)}"/>'
            "</SegmentList>"
        )
    ),
    "DASH initialisation": serving(
        lambda url: dash(
            representation=f'<SegmentList duration="1"><Initialization sourceURL="{escape(url)}"/>'
            '<SegmentURL media="/segment.ts"/></SegmentList>'
        )
    ),
    "DASH template": serving(
        lambda url: dash(
            adaptation=f'<SegmentTemplate duration="1" startNumber="1" media="{escape(url)}'
            '?$Number$" initialization="/segment.ts"/>'
        )
    ),
    "XSPF playlist": serving(
        lambda url: media(
            '<?xml version="1.0"?><playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList>'
            f"<track><location>{escape(url)}</location></track></trackList></playlist>",
            "application/xspf+xml",
        )
    ),
    "RSS enclosure": serving(
        lambda url: media(
            '<?xml version="1.0"?><rss version="2.0"><channel><title>x</title><item>'
            f'<title>x</title><enclosure url="{escape(url)}" type="video/mp4"/></item>'
            "</channel></rss>",
            "application/rss+xml",
        )
    ),
}
# Refused without a look at the address: what only ffmpeg could fetch is not fetched at all.
FOR_FFMPEG: dict[str, Way] = {
    "HLS key of SAMPLE-AES": serving(
        lambda url: hls(f'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="{url}"', *END)
    ),
}
# Named by the site, and never asked for: the download comes to whatever end, nothing is touched.
IGNORED: dict[str, Way] = {
    "frame": serving(lambda url: page(body=f'<iframe src="{escape(url)}"></iframe>')),
    "picture": serving(
        lambda url: page(
            f'<meta property="og:image" content="{escape(url)}">',
            f'<video src="/video.mp4" poster="{escape(url)}"></video>',
        )
    ),
    "subtitles": serving(
        lambda url: page(
            body=f'<video src="/video.mp4"><track kind="subtitles" srclang="en" '
            f'src="{escape(url)}"></video>'
        )
    ),
    "script and style": serving(
        lambda url: page(
            f'<link rel="stylesheet" href="{escape(url)}"><base href="{escape(url)}">',
            f'<script src="{escape(url)}"></script><video src="/video.mp4"></video>',
        )
    ),
    "HLS subtitles": serving(
        lambda url: master(
            f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="x",LANGUAGE="en",URI="{url}"',
            f'{VARIANT},SUBTITLES="s"',
            "/good.m3u8",
        )
    ),
    "HLS session key": serving(
        lambda url: hls(f'#EXT-X-SESSION-KEY:METHOD=AES-128,URI="{url}"', *END)
    ),
    "DASH location": serving(lambda url: dash(head=f"<Location>{escape(url)}</Location>")),
    "XML entity": serving(
        lambda url: media(
            f'<?xml version="1.0"?><!DOCTYPE MPD [<!ENTITY e SYSTEM "{escape(url)}">]>'
            '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">&e;</MPD>',
            "application/dash+xml",
        )
    ),
    "proxy": serving(lambda url: Answer(status=305, headers={"Location": url})),
}
