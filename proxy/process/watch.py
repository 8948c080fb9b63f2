"""`onehop run --watch`: notices changed files of the configuration. Runs in the control process.

Directories are watched, not files: editors replace the file, and a Kubernetes ConfigMap changes a symbolic link in the
path of its files. The parent then loads the configuration, and finds out whether it differs.
"""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

_QUIET_MS: Final = 100  # after the last change: the file may not be written completely before


async def watch(files: Collection[Path], on_change: Callable[[], object], on_failure: Callable[[str], None]) -> None:
    """Call `on_change` now, as a file may have changed since it was read, and after each change of a file, or of a file
    that may be included. Returns only after a failure, which `on_failure` gets as text."""
    from watchfiles import Change, awatch

    names = {file.name for file in files}
    folders = {file.absolute().parent for file in files} | {file.resolve().parent for file in files}

    def may_matter(_: Change, path: str) -> bool:
        name = Path(path).name
        return name in names or name.endswith(".toml") or name.startswith("..")  # `..data` of a ConfigMap

    # In the next turn of the loop, when the kernel watches already: no change is missed in between.
    asyncio.get_running_loop().call_soon(on_change)
    try:
        async for _ in awatch(*folders, watch_filter=may_matter, step=_QUIET_MS, recursive=False):
            on_change()
        why = "it ended"
    except (OSError, RuntimeError) as exc:  # a folder is gone, or there are too many watches
        why = str(exc)
    except Exception as exc:  # a defect, here or in the library: without a word, nobody would miss the reloads
        why = f"{type(exc).__name__}: {exc}"
    on_failure(f"cannot watch the configuration any more: {why}; SIGHUP and `onehop reload` read it again")


def start(
    files: Collection[Path], on_change: Callable[[], object], on_failure: Callable[[str], None]
) -> asyncio.Task[None]:
    """Begin to watch; cancelling the task ends it."""
    return asyncio.get_running_loop().create_task(watch(files, on_change, on_failure))
