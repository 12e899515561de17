"""Which of the package's extras brings a module that is not installed, so that its absence is one line and not a traceback."""

import re
from importlib.metadata import PackageNotFoundError, requires

_PACKAGES = {
    "multipart": "python-multipart",
    "open_clip": "open_clip_torch",
    "pillow_heif": "pillow-heif",
    "prometheus_client": "prometheus-client",
    "sklearn": "scikit-learn",
}
"""Module -> the package that it comes in, where they are called differently."""
_REQUIREMENT = re.compile(r"([\w.-]+).*\bextra *== *['\"]([\w-]+)['\"]")
_NOT_FOR_USERS = ("dev", "docs", "all")


def missing_words(error: ModuleNotFoundError) -> str | None:
    """Return what to say of a module that is not there: which one, and the command that installs it; None if no extra brings it.

    >>> missing_words(ModuleNotFoundError(name="torch.nn"))
    "this needs torch, which is not installed: pip install 'taglens[train]'"
    >>> missing_words(ModuleNotFoundError(name="no_such_module")) is None
    True
    """
    module = (error.name or "").partition(".")[0]
    wanted = _canonical(_PACKAGES.get(module, module))
    try:
        lines = requires("taglens") or []
    except PackageNotFoundError:  # run from its source
        return None
    found = (_REQUIREMENT.match(line) for line in lines)
    extra = next((one[2] for one in found if one and _canonical(one[1]) == wanted and one[2] not in _NOT_FOR_USERS), None)
    return None if extra is None else f"this needs {module}, which is not installed: pip install 'taglens[{extra}]'"


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
