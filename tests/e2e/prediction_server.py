"""`taglens serve` as a process."""

import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path


class PredictionServer:
    """The process, its address and what it says."""

    def __init__(self, model: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "taglens.cli.main", "serve", str(model), "--port", "0", *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.said = ""
        self.url = self._address()

    def _address(self) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line
            if found := re.search(r"http://\S+", line):
                return found[0]
        raise AssertionError(f"no address: {self.said}")

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end and return the exit status."""
        self.process.send_signal(sign)
        self.said += self.process.communicate(timeout=60)[1]
        return self.process.returncode


@contextmanager
def predicting(model: Path, *arguments: str, environment: dict[str, str] | None = None):
    server = PredictionServer(model, *arguments, environment=environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()
