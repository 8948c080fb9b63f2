"""`onehop run --watch`: whether files of the configuration have changed. In the control process.

Folders are watched, not files: editors put a new file in the place of the old one, and a Kubernetes ConfigMap changes
by the link that all of its files lead through. Whether the configuration is another one then, the parent finds out.
"""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

_QUIET_MS: Final = 100  # after the last change: whoever writes may not have finished


async def watch(files: Collection[Path], on_change: Callable[[], object], on_failure: Callable[[str], None]) -> None:
    """Call `on_change` now, as a file may have changed since it was read, and after each change of a file, or of one
    that may be included. Returns only where watching fails."""
    from watchfiles import Change, awatch

    names = {file.name for file in files}
    folders = {file.absolute().parent for file in files} | {file.resolve().parent for file in files}

    def may_matter(_: Change, path: str) -> bool:
        name = Path(path).name
        return name in names or name.endswith(".toml") or name.startswith("..")  # `..data` of a ConfigMap

    # In the loop's next turn, by when the kernel watches: nothing is missed in between.
    asyncio.get_running_loop().call_soon(on_change)
    try:
        async for _ in awatch(*folders, watch_filter=may_matter, step=_QUIET_MS, recursive=False):
            on_change()
    except (OSError, RuntimeError) as exc:  # a folder is gone, or there are too many watches
        on_failure(f"cannot watch the configuration any more: {exc}; SIGHUP and `onehop reload` read it again")


def start(
    files: Collection[Path], on_change: Callable[[], object], on_failure: Callable[[str], None]
) -> asyncio.Task[None]:
    """Begin to watch; cancelling the task ends it."""
    return asyncio.get_running_loop().create_task(watch(files, on_change, on_failure))
