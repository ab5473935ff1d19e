"""A process whose clocks are wrong, or jump: a library that is loaded before all others.

It shifts the wall clock (CLOCK_REALTIME) and the clock that counts a suspended machine
(CLOCK_BOOTTIME) by what a file says, at every call. CLOCK_MONOTONIC, by which everybody waits,
goes on as it is: so a jump of CLOCK_BOOTTIME alone is what a suspended machine looks like.
"""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static volatile long long *offsets;

__attribute__((constructor)) static void open_offsets(void) {
    const char *path = getenv("TEST_CLOCK_OFFSETS");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        void *page = mmap(0, 16, PROT_READ, MAP_SHARED, file, 0);
        if (page != MAP_FAILED) offsets = page;
    }
}

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (!result && offsets && id == CLOCK_REALTIME) now->tv_sec += offsets[0];
    if (!result && offsets && id == CLOCK_BOOTTIME) now->tv_sec += offsets[1];
    return result;
}
"""


class Clocks:
    """The clocks of the processes that are started with `environment`."""

    def __init__(self, folder: Path) -> None:
        """Compiles the library. Skips the test where there is no C compiler."""
        if shutil.which("cc") is None:
            pytest.skip("there is no C compiler: apt-get install gcc libc6-dev")
        self._offsets = folder / "clock-offsets"
        self._library = folder / "clocks.so"
        (folder / "clocks.c").write_text(SOURCE)
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", self._library, folder / "clocks.c"]
        subprocess.run([*command, "-ldl"], check=True)
        self.set()

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "TEST_CLOCK_OFFSETS": str(self._offsets)}

    def set(self, *, wall_seconds: int = 0, boot_seconds: int = 0) -> None:
        """How far they are ahead, from now on."""
        if not self._offsets.exists():
            self._offsets.write_bytes(bytes(16))
        with self._offsets.open("r+b") as file:
            file.write(struct.pack("qq", wall_seconds, boot_seconds))
