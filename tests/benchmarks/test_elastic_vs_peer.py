"""The comparison with the public once-for-all code, where that is not at hand."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "elastic_vs_peer.py"


def test_without_the_peer_it_says_what_is_missing() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--quick"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("skipped: needs --peer FOLDER")


def test_a_folder_without_the_peer_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPT, "--peer", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"--peer must hold the package ofa of once-for-all, got {tmp_path}" in done.stderr
