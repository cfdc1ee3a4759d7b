"""What a core of this machine can do at most, and which class of CPU it is.

The peak is measured by a loop of independent fused multiply-adds in registers, compiled on the spot for the machine; it
runs about two seconds. Without a C compiler there is no peak and no share of it.
"""

import ctypes
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Chip", "find_chip", "measure_peak"]

_SOURCE = """
#include <time.h>
#ifdef __AVX512F__
#define WIDTH 16
#else
#define WIDTH 8
#endif
typedef float vec __attribute__((vector_size(4 * WIDTH)));
double peak(double seconds) {
    vec a[10], m, c; volatile float one = 0.9999f, small = 1e-6f;
    for (int i = 0; i < WIDTH; i++) { m[i] = one; c[i] = small; }
    for (int k = 0; k < 10; k++) for (int i = 0; i < WIDTH; i++) a[k][i] = k + i;
    struct timespec s, e; double best = 0, used = 0; long n = 4000000;
    while (used < seconds) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &s);
        vec b0=a[0],b1=a[1],b2=a[2],b3=a[3],b4=a[4],b5=a[5],b6=a[6],b7=a[7],b8=a[8],b9=a[9];
        for (long j = 0; j < n; j++) {
            b0=b0*m+c; b1=b1*m+c; b2=b2*m+c; b3=b3*m+c; b4=b4*m+c;
            b5=b5*m+c; b6=b6*m+c; b7=b7*m+c; b8=b8*m+c; b9=b9*m+c;
        }
        a[0]=b0;a[1]=b1;a[2]=b2;a[3]=b3;a[4]=b4;a[5]=b5;a[6]=b6;a[7]=b7;a[8]=b8;a[9]=b9;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &e);
        double t = (e.tv_sec - s.tv_sec) + 1e-9 * (e.tv_nsec - s.tv_nsec);
        used += t; double rate = 2.0 * 10 * WIDTH * n / t; if (rate > best) best = rate;
    }
    volatile float sink = 0; for (int k = 0; k < 10; k++) sink += a[k][0];
    return best;
}
"""


@dataclass(frozen=True, slots=True)
class Chip:
    """A class of CPU with what is demanded of the engine on it.

    Parameters
    ----------
    identical, fast : required speed against nnunetv2 with f32 and with bf16; None where bf16 is not computed.
    """

    name: str
    identical: float
    fast: float | None


_CHIPS = (
    ("amx_bf16", Chip("amx-bf16", 2.3, 8.0)),
    ("avx512_bf16", Chip("avx512-bf16", 2.5, 5.0)),
    ("avx512f", Chip("avx512", 2.5, None)),
    ("avx2", Chip("avx2", 1.5, None)),
)


def find_chip() -> Chip:
    """Give the class of this machine's CPU."""
    flags = set()
    for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("flags"):
            flags = set(line.split())
            break
    return next((chip for flag, chip in _CHIPS if flag in flags), Chip("older", 1.0, None))


def measure_peak(seconds: float = 2.0) -> float | None:
    """Give the float32 operations that one core does in a second at most, in GFLOP; None without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "peak.c", Path(folder) / "peak.so"
        source.write_text(_SOURCE)
        subprocess.run(
            [compiler, "-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", str(source), "-o", str(library)],
            check=True,
            capture_output=True,
        )
        peak = ctypes.CDLL(str(library)).peak
        peak.restype, peak.argtypes = ctypes.c_double, [ctypes.c_double]
        return float(peak(seconds)) / 1e9
