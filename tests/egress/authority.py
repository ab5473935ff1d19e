"""A certificate authority of a test's own, by the openssl command."""

import subprocess
from pathlib import Path


class Authority:
    """Signs for servers; a machine trusts it that has `certificate` among its authorities."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory / name
        self._directory.mkdir()
        self.certificate = self._directory / "authority.pem"
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", f"/CN={name}", "-days", "30", "-keyout", "authority.key"),
            *("-out", self.certificate.name),
        )

    def sign(self, host: str, *, days: int = 30) -> Path:
        """A key with its certificate in one file; with negative days it is over."""
        (self._directory / "extensions").write_text(f"subjectAltName=DNS:{host}\n")
        self._openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", f"/CN={host}", "-keyout", "server.key", "-out", "server.csr"),
        )
        self._openssl(
            *("x509", "-req", "-in", "server.csr", "-CA", self.certificate.name),
            *("-CAkey", "authority.key", "-days", str(days), "-extfile", "extensions"),
            *("-out", "server.pem"),
        )
        parts = [self._directory / name for name in ("server.key", "server.pem")]
        both = self._directory / f"{host}{days}.pem"
        both.write_text("".join(part.read_text() for part in parts))
        return both

    def own(self) -> Path:
        """Its own key with its own certificate."""
        both = self._directory / "own.pem"
        parts = [self._directory / "authority.key", self.certificate]
        both.write_text("".join(part.read_text() for part in parts))
        return both

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments], cwd=self._directory, check=True, capture_output=True
        )
