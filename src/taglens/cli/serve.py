"""``taglens serve RUN|MODEL.onnx``: predictions over HTTP."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from taglens.cli.console import say, warn
from taglens.cli.guaranteed import guaranteed_threshold, guarantees_of_file, guarantees_of_run, require_share
from taglens.cli.loading import say_what_loads
from taglens.cli.options import device_name
from taglens.errors import TagLensError
from taglens.serve.options import ServeOptions

KEY_VARIABLE = "TAGLENS_API_KEY"


@dataclass(frozen=True, kw_only=True)
class Serve:
    """Serve predictions over HTTP, with a demo page at / and a description of the interface at /docs.

    An API key is taken from the environment variable TAGLENS_API_KEY or from --key-file, never from the command line, where every user
    of the machine could read it. A run folder also scores class names that were never trained; an .onnx file needs no torch.

        $ taglens serve runs/mine
        $ taglens serve runs/mine/model.onnx --host 0.0.0.0 --key-file key.txt
        $ taglens serve runs/mine --precision 0.9
    """

    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN|MODEL.onnx")]
    """Folder that `taglens train` made, or file that `taglens export` made."""
    host: str = "127.0.0.1"
    """Address to listen at; 0.0.0.0: all of this machine's."""
    port: int = 8000
    """0: any free one."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names that browsers and programs may call this server by; besides its own address, or at 0.0.0.0 any address."""
    key_file: Path | None = None
    """File with the API key."""
    precision: float | None = None
    """Give tags of which at least this share is right, guaranteed at 90 % confidence for pictures like the training ones, as
    `taglens predict --precision` does; none: the run's own thresholds."""
    options: Annotated[ServeOptions, tyro.conf.arg(name="")] = field(default_factory=ServeOptions)

    def __post_init__(self) -> None:
        require_share(self.precision)


def run(config: Serve) -> int:
    """Load, listen, serve."""
    import numpy as np

    from taglens.inference.model import load_model
    from taglens.runtime.predictor import OnnxPredictor
    from taglens.serve.app import serve_predictions
    from taglens.web.hosts import allowed_hosts, is_loopback
    from taglens.web.server import listen

    key = api_key(config.key_file)
    if key is None and not is_loopback(config.host):
        warn(f"everybody who reaches {config.host} can use this server; set {KEY_VARIABLE} to ask for a key")
    hosts = allowed_hosts(config.host, config.allowed_hosts)
    say_what_loads(config.model)
    model = load_model(config.model, text=True)
    if config.precision is not None:
        if isinstance(model, OnnxPredictor):
            found = guarantees_of_file(config.model, model)
        else:
            found = guarantees_of_run(config.model, device_name("auto"))
        model.thresholds = np.full(len(model.classes), guaranteed_threshold(found, config.precision))
    listening = listen(config.host, config.port)
    serve_predictions(model, listening, config.options, key=key, hosts=hosts, ready=lambda url: say(f"serving {config.model} at {url}"))
    return 0


def api_key(path: Path | None) -> str | None:
    """Return the key from the file or the environment; None if there is none.

    Raises:
        TagLensError: the file cannot be read, or the key is too short to be one.
    """
    if path is None and KEY_VARIABLE not in os.environ:
        return None
    try:
        key = (os.environ[KEY_VARIABLE] if path is None else path.read_text("utf-8")).strip()
    except (OSError, UnicodeError) as error:
        raise TagLensError(f"--key-file {path}: cannot be read ({error})") from error
    if len(key) < 16:
        raise TagLensError(
            "the API key must have at least 16 signs; make one with: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return key
