"""Tests that must hold on both event loops: asyncio's own, and uvloop."""

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Final

import pytest
import uvloop

NEW_LOOP: Final[dict[str, Callable[[], asyncio.AbstractEventLoop]]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test twice. Its fixtures must not need the loop."""

    @functools.wraps(test)
    def run(*args: Any, event_loop_name: str, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=NEW_LOOP[event_loop_name]) as runner:
            runner.run(test(*args, **kwargs))

    signature = inspect.signature(test)
    name = inspect.Parameter("event_loop_name", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), name])  # type: ignore[attr-defined]
    decorated: Callable[..., None] = pytest.mark.parametrize("event_loop_name", NEW_LOOP)(run)
    return decorated
