"""A Python environment of a test's own, in which packages with extractor plugins are installed."""

import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = Path(sysconfig.get_path("purelib"))
# What a confined child must find inside of its environment; the rest is found where it is.
OF_CHILDREN = ("yt_dlp*", "requests", "urllib3", "certifi", "idna", "charset_normalizer")
OF_CHILDREN += ("Cryptodome", "websockets", "mutagen", "*brotli*", "_cffi_backend*")


class Environment:
    """Made in `folder`, which it fills with some 50 MB."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=True)
        self.python = folder / "bin" / "python"
        self.packages = Path(
            sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
        )
        for pattern in OF_CHILDREN:
            for found in OURS.glob(pattern):
                if found.is_dir():
                    shutil.copytree(found, self.packages / found.name)
                else:
                    shutil.copy(found, self.packages)
        (self.packages / "rest.pth").write_text(f"{OURS}\n")

    def install(self, name: str, modules: dict[str, str]) -> None:
        """Install a package, as pip does, with modules of `yt_dlp_plugins.extractor`."""
        information = self.packages / f"{name.replace('-', '_')}-1.0.dist-info"
        information.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        (information / "METADATA").write_text(metadata)
        files = []
        for module, code in modules.items():
            file = self.packages / "yt_dlp_plugins" / "extractor" / f"{module}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(code)
            files.append(f"{file.relative_to(self.packages)},,\n")
        (information / "RECORD").write_text("".join(files))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run its Python in the project, with an environment as bare as that of a fork server."""
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "YTDLP_NO_PLUGINS": "1", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
