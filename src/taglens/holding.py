"""One writer at a time: a lock of the operating system, held for as long as a folder or a file is at work.

The system gives a killed process's lock back at once, so a lock file that was left behind never blocks. Locks hold between the processes
of one machine; between machines only where the shared file system passes ``flock`` on, as NFS does from version 4 and unless it is
mounted with ``nolock`` or ``local_lock``. A file system without any locks is said, and the work goes on unguarded.
"""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from taglens.errors import OutputError, TagLensError
from taglens.outputs import LOCK, make_folder, refused

logger = logging.getLogger(__name__)

_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Hold a folder of outputs until the block ends; one that is made for it and stays empty is taken back.

    Raises:
        OutputError: another process holds it, it is no folder, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"output folder {folder} exists already and is a file; choose another --out")
    busy = f"another taglens is at work in {folder}; wait until it has ended, or choose another --out"
    with hold(folder / LOCK, OutputError(busy)):
        yield


@contextmanager
def hold_file(path: Path) -> Iterator[None]:
    """Hold a file of outputs, and what is written beside it, until the block ends.

    Raises:
        OutputError: another process holds it, or its folder cannot be written.
    """
    busy = f"another taglens is writing {path}; wait until it has ended, or choose another --out"
    with hold(path.with_name(f".{path.name}{LOCK}"), OutputError(busy)):
        yield


@contextmanager
def hold(lock: Path, busy: TagLensError) -> Iterator[None]:
    """Hold the lock file ``lock`` until the block ends; it is removed then, with its folder if that was made for it and is empty.

    Raises:
        TagLensError: ``busy``, if another process holds it.
        OutputError: it cannot be written.
    """
    made = not lock.parent.exists()
    make_folder(lock.parent)
    held = FileLock(lock)
    guarded = True
    try:
        held.acquire(timeout=0)
    except Timeout as error:
        raise busy from error
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise refused(error, f"cannot write in {lock.parent}") from error
        guarded = False
        logger.warning("the file system of %s has no locks: see to it yourself that nothing else writes there", lock.parent)
    try:
        yield
    finally:
        # while it is held: whoever opened this very file meanwhile finds it gone and asks anew
        with suppress(OSError):
            lock.unlink()
        if guarded:
            held.release()
        if made:
            with suppress(OSError):
                lock.parent.rmdir()
