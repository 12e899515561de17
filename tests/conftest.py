"""Fixtures for every test: no network but loopback, the shared photos where they are at hand."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("TAGLENS_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Refuse every connection but loopback, so that no test depends on a download."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family != socket.AF_UNIX and host not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"network is off in tests: {address}")
        connect(self, address)

    os.environ["HF_HUB_OFFLINE"] = "1"
    socket.socket.connect = guarded
    yield
    socket.socket.connect = connect


@pytest.fixture(autouse=True, scope="session")
def heard_interrupts() -> None:
    """A shell starts background jobs, and so their children, deaf to Ctrl-C; tests that send it need them to hear."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the user's own feature store out of the tests."""
    os.environ["TAGLENS_CACHE"] = str(tmp_path_factory.mktemp("cache"))


def _need(path: Path, what: str) -> Path:
    if not path.exists():
        pytest.skip(f"{what} not at hand ({path.name} is absent); set TAGLENS_SHARED to its folder")
    return path


@pytest.fixture(scope="session")
def voc_root() -> Path:
    return _need(SHARED / "data" / "VOCdevkit", "VOC photos")


@pytest.fixture(scope="session")
def coco_root() -> Path:
    return _need(SHARED / "data" / "coco-small", "COCO photos")


@pytest.fixture(scope="session")
def glove_file() -> Path:
    return _need(SHARED / "data" / "glove.300d.class-names.txt", "GloVe vectors")


@pytest.fixture(scope="session")
def minclip() -> str:
    """The backbone spec of a small real CLIP."""
    folder = _need(SHARED / "models" / "minclip", "minclip weights")
    return f"{folder / 'minclip.json'}:{folder / 'open_clip_model.safetensors'}"
