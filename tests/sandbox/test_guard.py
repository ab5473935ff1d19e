"""Where a download may connect to, tried from real processes: nothing may reach the canary.

In networks of its own, with names and public addresses, `tests/egress/` tries the same and more.
"""

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from downloads.fetch.client import ForkServer
from downloads.rules.errors import ErrorClass
from downloads.sandbox.guard import without_network
from tests.helpers.attempts import attempt, job_for
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, Canary, ScriptedSite

PROJECT = Path(__file__).resolve().parent.parent.parent
GUARDED = """
import json, sys
from downloads.sandbox.addresses import AllowedHosts
from downloads.sandbox.guard import Guard, PolicyBlocked
from downloads.sandbox.programs import find_deno, find_ffmpeg, media_tools
from downloads.sandbox import limits
import asyncio, ctypes, ftplib, http.client, os, pty, socket, subprocess, urllib.request
import requests, websockets.sync.client
port, *allowed = sys.argv[1:]
port = int(port)
guard = Guard(AllowedHosts.parse(allowed), programs=[*media_tools(find_ffmpeg()), find_deno()])
guard.install()
try:
{code}
except BaseException as error:
    raised = repr(error)
else:
    raised = ""
print(json.dumps([raised, guard.refusals]))
"""


def guarded(
    code: str, port: int, *allowed: str, directory: Path, prefix: tuple[str, ...] = ()
) -> tuple[str, list[str]]:
    """Run code in a process with a guard: what it raised, and what the guard refused."""
    script = GUARDED.format(code=textwrap.indent(textwrap.dedent(code).strip(), "    "))
    done = subprocess.run(
        [*prefix, sys.executable, "-c", script, str(port), *allowed],
        cwd=directory,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    raised, refusals = json.loads(done.stdout.splitlines()[-1])
    return raised, refusals


CONNECTING = [
    "socket.create_connection(('127.0.0.1', port))",
    "socket.create_connection(('localhost', port))",
    "socket.create_connection(('::1', port))",
    "socket.create_connection(('::ffff:127.0.0.1', port))",
    "socket.create_connection(('2130706433', port))",
    "socket.create_connection(('0x7f.1', port))",
    "socket.create_connection(('0', port))",
    "socket.socket().connect(('localhost', port))",
    "socket.socket().connect(('127.1', port))",
    "socket.socket().connect(('0177.0.0.1', port))",
    "socket.socket().connect(('', port))",
    "socket.socket().connect_ex(('127.0.0.1', port))",
    "socket.socket(socket.AF_INET6).connect(('::1', port, 0, 0))",
    "socket.socket(socket.AF_INET6).connect(('::ffff:7f00:1', port))",
    "socket.socket(type=socket.SOCK_DGRAM).connect(('127.0.0.1', port))",
    "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', port))",
    "socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('127.0.0.1', port))",
    "socket.socket(socket.AF_UNIX).connect('/run/some.sock')",
    "urllib.request.urlopen(f'http://127.0.0.1:{port}/')",
    "http.client.HTTPConnection('127.0.0.1', port).request('GET', '/')",
    "ftplib.FTP().connect('127.0.0.1', port)",
    "requests.get(f'http://localhost:{port}/')",
    "requests.get(f'http://[::1]:{port}/')",
    "websockets.sync.client.connect(f'ws://127.0.0.1:{port}/')",
    "asyncio.run(asyncio.wait_for(asyncio.open_connection('127.0.0.1', port), 5))",
    "asyncio.run(asyncio.wait_for(asyncio.open_connection('::1', port), 5))",
    """
    async def send():
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=('127.0.0.1', 0))
        transport.sendto(b'x', ('127.0.0.1', port))
    asyncio.run(send())
    """,
]


# Such sockets send without being connected, or to others than hosts.
OTHER_SOCKETS = [
    "socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)",
    "socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMPV6)",
    "socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | 4096)",
    "socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)",
    "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)",
    "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', '/run/some.sock')",
    "socket.socket(socket.AF_UNIX).connect('\\0abstract')",
    "__import__('_socket').socket(socket.AF_PACKET, socket.SOCK_RAW)",
]


@pytest.mark.parametrize("code", OTHER_SOCKETS)
def test_no_other_socket_is_made_or_used(code: str, tmp_path: Path) -> None:
    raised, refusals = guarded(code, 1, directory=tmp_path)

    assert "PolicyBlocked" in raised
    assert refusals


C_CODE = [
    "ctypes.CDLL(None).connect",
    "ctypes.CDLL('libc.so.6')",
    "ctypes.cdll.LoadLibrary('libc.so.6')",
    "ctypes.PyDLL(None)",
    "ctypes.pythonapi.PyRun_SimpleString",
    "limits._libc.socket",
]


@pytest.mark.parametrize("code", C_CODE)
def test_the_c_library_is_not_called_past_the_guard(code: str, tmp_path: Path) -> None:
    """What asks it for a function by name: it would connect unseen."""
    raised, refusals = guarded(code, 1, directory=tmp_path)

    assert "PolicyBlocked" in raised
    assert refusals


REMOVING = [
    "sys.addaudithook(lambda *_: None)",
    "guard._hook = lambda *_: None",
    "guard.install = None",
    "import importlib, downloads.sandbox.guard; importlib.reload(downloads.sandbox.guard)",
    "import importlib; importlib.reload(socket)",
    "import downloads.sandbox.guard as module; module.refusal = lambda *_: None; del guard._judge",
    "del guard",
    "'once'.encode('idna'); sys.modules.clear()",  # Python imports that codec to connect
]


@pytest.mark.parametrize("code", REMOVING)
def test_what_code_does_by_accident_leaves_the_guard(
    code: str, canary: Canary, tmp_path: Path
) -> None:
    connect = "socket.create_connection(('127.0.0.1', port))"

    raised, _ = guarded(
        f"hidden = guard\ntry:\n    {code}\nexcept Exception: pass\nguard = hidden\n{connect}",
        canary.port,
        directory=tmp_path,
    )

    assert "PolicyBlocked" in raised


def test_a_pair_of_sockets_for_itself_is_no_connection(tmp_path: Path) -> None:
    code = """
    one, other = socket.socketpair()
    one.send(b"x")
    one, other = other, one
    assert one.recv(1) == b"x"
    asyncio.run(asyncio.sleep(0))
    """
    assert guarded(code, 1, directory=tmp_path) == ("", [])


@pytest.mark.parametrize("code", CONNECTING)
def test_no_way_of_connecting_leads_to_this_machine(
    code: str, canary: Canary, tmp_path: Path
) -> None:
    _, refusals = guarded(code, canary.port, directory=tmp_path)

    assert refusals


def test_what_is_allowed_can_be_reached(tmp_path: Path) -> None:
    with Canary() as target:
        code = "socket.create_connection(('127.0.0.1', port))"
        raised, refusals = guarded(
            code, target.port, f"127.0.0.1:{target.port}", directory=tmp_path
        )

        assert (raised, refusals) == ("", [])
        assert target.was_touched


def test_an_allowed_name_is_resolved_before_the_download_begins(tmp_path: Path) -> None:
    with Canary() as target:
        code = "requests.get(f'http://localhost:{port}/', timeout=0.2)"
        _, refusals = guarded(code, target.port, f"localhost:{target.port}", directory=tmp_path)

        assert refusals == []
        assert target.was_touched


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rn", "ip", "addr"], capture_output=True).returncode != 0
    if shutil.which("unshare") and shutil.which("ip")
    else True,
    reason="unshare -rn and ip are needed",
)
@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::9"])
def test_a_public_address_of_this_machine_is_refused(tmp_path: Path, address: str) -> None:
    length = 128 if ":" in address else 32
    own_network = (
        *("unshare", "-rn", "sh", "-c"),
        f'ip link set lo up; ip addr add {address}/{length} dev lo; exec "$@"',
        "sh",
    )
    code = f"socket.create_connection(('{address}', 80))"

    raised, refusals = guarded(code, 1, directory=tmp_path, prefix=own_network)

    assert "PolicyBlocked" in raised
    assert refusals == [f"{address} is an address of this machine (port 80)"]


TOUCH = "[sys.executable, '-c', 'open(\"touched\", \"w\")']"
STARTING = [
    f"subprocess.run({TOUCH})",
    f"subprocess.run({TOUCH}, close_fds=False)",
    "subprocess.run('touch touched', shell=True)",
    "subprocess.run(['touch', 'touched'])",
    "subprocess.run(['ffmpeg', '-f', 'lavfi', '-i', 'sine', '-t', '1', 'touched'])",
    "subprocess.run(['ffmpeg', 'touched'], executable='/usr/bin/touch')",
    "os.system('touch touched')",
    "os.popen('touch touched').read()",
    f"os.execv(sys.executable, {TOUCH})",
    f"os.spawnv(os.P_WAIT, sys.executable, {TOUCH})",
    f"os.posix_spawn(sys.executable, {TOUCH}, {{}})",
    f"pty.spawn({TOUCH})",
    "os.fork() or open('touched', 'w')",
]


@pytest.mark.parametrize("code", STARTING)
def test_no_other_program_is_started(code: str, tmp_path: Path) -> None:
    raised, refusals = guarded(code, 1, directory=tmp_path)

    assert "PolicyBlocked" in raised
    assert refusals
    assert not (tmp_path / "touched").exists()


def test_a_program_of_an_allowed_name_is_not_the_allowed_program(tmp_path: Path) -> None:
    """The child's working directory is full of what the site sent."""
    (tmp_path / "ffmpeg").write_text("#!/bin/sh\ntouch touched\n")
    (tmp_path / "ffmpeg").chmod(0o755)

    raised, _ = guarded("subprocess.run(['./ffmpeg'])", 1, directory=tmp_path)

    assert "PolicyBlocked" in raised
    assert not (tmp_path / "touched").exists()


NETWORK_INPUTS = [
    "['-i', f'http://127.0.0.1:{port}/a.ts', '-c', 'copy', 'out.ts']",
    "['-i', f'tcp://127.0.0.1:{port}', 'out.ts']",
    "['-i', f'concat:tcp://127.0.0.1:{port}', 'out.ts']",
    "['-f', 'lavfi', '-i', 'sine', '-t', '1', '-f', 'mpegts', f'udp://127.0.0.1:{port}']",
    "['-f', 'lavfi', '-i', 'sine', '-t', '1', '-f', 'mpegts', f'tcp:127.0.0.1:{port}']",
    "['-f', 'lavfi', '-i', 'sine', '-t', '1', '-f', 'tee', '-map', '0', "
    "f'[f=mpegts]udp://127.0.0.1:{port}']",
]


@pytest.mark.parametrize("arguments", NETWORK_INPUTS)
def test_ffmpeg_with_a_network_address_is_refused(
    arguments: str, canary: Canary, tmp_path: Path
) -> None:
    raised, refusals = guarded(
        f"subprocess.run([str(find_ffmpeg()), '-v', 'error', *{arguments}])",
        canary.port,
        directory=tmp_path,
    )

    assert "PolicyBlocked" in raised
    assert "may not use the network" in refusals[0]


def test_the_javascript_runtime_runs_without_network(canary: Canary, tmp_path: Path) -> None:
    script = """
    let reached = "nothing";
    try { await fetch("http://127.0.0.1:PORT/"); reached = "network" } catch {}
    try { Deno.readTextFileSync("/etc/passwd"); reached = "files" } catch {}
    console.log(reached);
    """.replace("PORT", str(canary.port))
    options = ["run", "--ext=js", "--no-prompt", "--no-remote", "--no-config", "--no-npm", "-"]
    code = f"""
    done = subprocess.run([str(find_deno()), *{options}], input={script!r}, text=True,
                          stdout=subprocess.PIPE)
    raise SystemExit(done.stdout)
    """

    raised, refusals = guarded(code, canary.port, directory=tmp_path)

    assert "nothing" in raised
    assert refusals == []


LOCAL = ["-protocol_whitelist", "file,crypto,data,pipe"]
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.m3u8", PLAYLIST),
        ("a.mp4", PLAYLIST),
        ("a.ffconcat", "ffconcat version 1.0\nfile {url}\n"),
        ("a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
         "m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("tool", ["ffmpeg", "ffprobe"])
def test_a_local_file_cannot_lead_ffmpeg_into_the_network(
    tmp_path: Path, canary: Canary, name: str, text: str, tool: str
) -> None:
    url = f"http://127.0.0.1:{canary.port}/a.ts"
    (tmp_path / name).write_text(text.format(url=url, port=canary.port))
    path = f"file:{tmp_path / name}"
    command = [tool, "-i", path, "-f", "null", "-"] if tool == "ffmpeg" else [tool, path]

    done = subprocess.run(without_network(command), capture_output=True, timeout=30, check=False)

    assert done.returncode != 0


@pytest.mark.parametrize(
    ("command", "limited"),
    [
        (
            ["/usr/bin/ffmpeg", "-y", "-i", "a", "-i", "b", "out"],
            ["/usr/bin/ffmpeg", "-y", *LOCAL, "-i", "a", *LOCAL, "-i", "b", "out"],
        ),
        (["ffmpeg", "-version"], ["ffmpeg", "-version"]),
        (["/opt/ffmpeg-linux-v7", "-i", "a"], ["/opt/ffmpeg-linux-v7", *LOCAL, "-i", "a"]),
        (["ffprobe", "-show_streams", "a"], ["ffprobe", *LOCAL, "-show_streams", "a"]),
        (["ffprobe", "-bsfs"], ["ffprobe", "-bsfs"]),
        (["deno", "run", "-i", "-"], ["deno", "run", "-i", "-"]),
    ],
)
def test_every_input_of_ffmpeg_is_limited_to_local_files(
    command: list[str], limited: list[str]
) -> None:
    assert without_network(command) == limited


# From the address that a person pastes, and from what sites answer

SPELLINGS = [
    "127.0.0.1:{port}",
    "localhost:{port}",
    "LOCALHOST.:{port}",
    "2130706433:{port}",
    "0x7f000001:{port}",
    "0177.0.0.1:{port}",
    "127.1:{port}",
    "0:{port}",
    "[::1]:{port}",
    "[::ffff:127.0.0.1]:{port}",
    "[::ffff:7f00:1]:{port}",
    "[0:0:0:0:0:0:0:1]:{port}",
    "①②⑦.⓪.⓪.①:{port}",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_link_to_this_machine_is_blocked(
    fork_server: ForkServer, directory: Path, canary: Canary, spelling: str
) -> None:
    url = f"http://{spelling.format(port=canary.port)}/video.mp4"

    ended = attempt(fork_server, job_for(url, directory))

    assert ended.error_class in (ErrorClass.POLICY_BLOCKED, ErrorClass.NETWORK)
    assert ended.error_class is ErrorClass.POLICY_BLOCKED or "resolve" in ended.broke.message


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "[fd00:ec2::254]", "0.0.0.0"])
def test_the_reason_names_the_address(
    fork_server: ForkServer, directory: Path, address: str
) -> None:
    ended = attempt(fork_server, job_for(f"http://{address}/latest/meta-data/", directory))

    assert ended.error_class is ErrorClass.POLICY_BLOCKED
    assert ended.broke.message == f"{address.strip('[]')} is not a public address (port 80)"


def hls(*lines: str) -> Answer:
    head = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-TARGETDURATION:1"]
    return Answer(
        body="\n".join([*head, *lines]) + "\n", media_type="application/vnd.apple.mpegurl"
    )


def html(body: str, head: str = "") -> Answer:
    return Answer(body=f"<!doctype html><title>A page</title>{head}<body>{body}</body>")


SEGMENT = ("#EXTINF:1,", "/segment.ts", "#EXT-X-ENDLIST")
SITES = {
    "segment": hls("#EXTINF:1,", "{secret}/a.ts", "#EXT-X-ENDLIST"),
    "key": hls('#EXT-X-KEY:METHOD=AES-128,URI="{secret}/key"', *SEGMENT),
    "initialisation": hls('#EXT-X-MAP:URI="{secret}/init.mp4"', *SEGMENT),
    "variant": hls("#EXT-X-STREAM-INF:BANDWIDTH=1", "{secret}/variant.m3u8"),
    "live": hls("#EXTINF:1,", "{secret}/a.ts"),
    "video element": html('<video src="{secret}/video.mp4"></video>'),
    "twitter player": html(
        "", '<meta name="twitter:player:stream" content="{secret}/video.mp4">'
        '<meta name="twitter:player:stream:content_type" content="video/mp4">'
    ),
    "open graph": html("", '<meta property="og:video" content="{secret}/video.mp4">'),
    "refresh": html("", '<meta http-equiv="refresh" content="0; url={secret}/video.mp4">'),
    "json-ld": html(
        '<script type="application/ld+json">{{"@context": "https://schema.org", '
        '"@type": "VideoObject", "name": "x", "contentUrl": "{secret}/video.mp4"}}</script>'
    ),
    "dash": Answer(
        media_type="application/dash+xml",
        body='<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT2S" profiles="urn:mpeg:dash:profile:isoff-main:2011">'
        '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
        "<BaseURL>{secret}/video.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SITES)
def test_a_site_cannot_lead_to_this_machine(
    fork_server: ForkServer,
    directory: Path,
    canary: Canary,
    scripted_site: ScriptedSite,
    media_server: MediaServer,
    kind: str,
) -> None:
    answer = SITES[kind]
    assert isinstance(answer.body, str)
    body = answer.body.format(secret=f"http://localhost:{canary.port}")
    url = scripted_site.serve("/start", Answer(body=body, media_type=answer.media_type))
    segment = media_server.file("hls/segment-0.ts").read_bytes()
    scripted_site.serve("/segment.ts", Answer(body=segment, media_type="video/mp2t"))

    ended = attempt(
        fork_server, job_for(url, directory, allow_private_hosts=(scripted_site.origin,))
    )

    assert ended.error_class is ErrorClass.POLICY_BLOCKED


def test_a_picture_of_the_page_is_not_even_asked_for(
    fork_server: ForkServer,
    directory: Path,
    canary: Canary,
    scripted_site: ScriptedSite,
    media_server: MediaServer,
) -> None:
    secret = f"http://127.0.0.1:{canary.port}"
    video = media_server.file("video.mp4").read_bytes()
    scripted_site.serve("/video.mp4", Answer(body=video, media_type="video/mp4"))
    url = scripted_site.serve(
        "/page",
        html(
            f'<video src="/video.mp4" poster="{secret}/a.jpg"><track src="{secret}/a.vtt"></video>',
            f'<meta property="og:image" content="{secret}/b.jpg">',
        ),
    )

    ended = attempt(
        fork_server, job_for(url, directory, allow_private_hosts=(scripted_site.origin,))
    )

    assert ended.file.read_bytes() == video


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "file:/etc/passwd",
        "data:text/html,<video src=x.mp4>",
        "data:video/mp4;base64,AAAA",
        "ftp://127.0.0.1:{port}/video.mp4",
        "rtmp://127.0.0.1:{port}/app/video",
        "rtsp://127.0.0.1:{port}/video",
        "ws://127.0.0.1:{port}/video",
        "gopher://127.0.0.1:{port}/",
        "//127.0.0.1:{port}/video.mp4",
        "127.0.0.1:{port}/video.mp4",
        "ytsearch:video",
        ":ytfav",
        "-J",
        "/etc/passwd",
        "",
    ],
)
def test_other_addresses_fetch_nothing(
    fork_server: ForkServer, directory: Path, canary: Canary, url: str
) -> None:
    ended = attempt(fork_server, job_for(url.format(port=canary.port), directory))

    assert ended.broke
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "data:video/mp4;base64,AAAA",
        "ftp://127.0.0.1:{port}/video.mp4",
        "rtmp://127.0.0.1:{port}/video",
    ],
)
@pytest.mark.parametrize("how", ["redirect", "video element", "segment"])
def test_nor_does_a_site_that_leads_there(
    fork_server: ForkServer,
    directory: Path,
    canary: Canary,
    scripted_site: ScriptedSite,
    target: str,
    how: str,
) -> None:
    target = target.format(port=canary.port)
    answers = {
        "redirect": Answer(status=302, headers={"Location": target}),
        "video element": html(f'<video src="{target}"></video>'),
        "segment": hls("#EXTINF:1,", target, "#EXT-X-ENDLIST"),
    }
    url = scripted_site.serve("/start", answers[how])

    ended = attempt(
        fork_server, job_for(url, directory, allow_private_hosts=(scripted_site.origin,))
    )

    assert ended.broke
    assert b"root:" not in b"".join(path.read_bytes() for path in directory.iterdir())
