"""`onehop run --watch`: a changed file is a reload. Real processes."""

import asyncio
from pathlib import Path

import pytest

from proxy.process.watch import start
from tests.harness.processes import onehop, output_of
from tests.harness.scripted import ScriptedUpstream, answering
from tests.harness.waiting import until
from tests.interop.test_reload import ONEHOP, Instance, named


async def test_a_changed_file_reloads_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    old, new = (ScriptedUpstream(answering(*[named(name)] * 10)) for name in ("old", "new"))
    async with old.serving(), new.serving():
        instance = Instance(tmp_path / "onehop.toml")
        instance.write(old, head="workers = 1")
        async with onehop("run", "--watch", "--config", str(instance.file)) as proxy:
            instance.proxy = proxy
            assert await instance.answer() == b"old"
            instance.file.write_text("listen = 3\n")
            await proxy.said("reload: the new configuration was refused; generation 1 keeps serving")
            moved = tmp_path / "another"
            moved.write_text("")
            Instance(moved).write(new, head="workers = 1")
            moved.replace(instance.file)  # as editors do
            await proxy.said("reload: generation 2 serves")
            assert await instance.answer() == b"new"


async def test_a_new_included_file_reloads(tmp_path: Path) -> None:
    old, new = (ScriptedUpstream(answering(*[named(name)] * 10)) for name in ("old", "new"))
    async with old.serving(), new.serving():
        instance = Instance(tmp_path / "onehop.toml")
        instance.write(old, head='workers = 1\ninclude = ["more/*.toml"]', rest='[routes.a]\nupstream = "a"')
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "none.toml").write_text("")
        async with onehop("run", "--watch", "--config", str(instance.file)) as proxy:
            instance.proxy = proxy
            (tmp_path / "more" / "b.toml").write_text(
                f'[upstreams.b]\nurls = ["http://127.0.0.1:{new.port}"]\n[routes.b]\nhost = "h"\nupstream = "b"\n'
            )
            await proxy.said("reload: generation 2 serves")
            assert await instance.answer() == b"new"


async def test_a_file_that_says_the_same_reloads_nothing(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(answering(named("old")))
    async with upstream.serving():
        instance = Instance(tmp_path / "onehop.toml")
        instance.write(upstream, head="workers = 1")
        async with onehop("run", "--watch", "--config", str(instance.file)) as proxy:
            instance.file.write_text("# said again\n" + instance.file.read_text())
            await asyncio.sleep(0.5)
            instance.write(upstream, head="workers = 2")
            await proxy.said("reload: generation 2 serves")
            await until(lambda: len(proxy.worker_pids()) == 2)


async def test_watching_without_a_file_is_refused() -> None:
    status, written = await output_of(*ONEHOP, "run", "--watch", "--upstream", "http://a")
    assert status == 2
    assert "--watch needs a file: --config, or ONEHOP_CONFIG" in written


async def test_a_link_that_is_changed_counts_as_a_change(tmp_path: Path) -> None:
    """As in a Kubernetes ConfigMap: file -> ..data/file, ..data -> ..1."""
    for folder in ("..1", "..2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "onehop.toml").write_text(folder)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "onehop.toml").symlink_to("..data/onehop.toml")
    changes: list[int] = []
    failures: list[str] = []
    watching = start([tmp_path / "onehop.toml"], lambda: changes.append(1), failures.append)
    try:
        await until(lambda: len(changes) == 1)  # at its start
        await asyncio.sleep(0.3)  # nothing tells that the kernel watches by now
        (tmp_path / "..new").symlink_to("..2")
        (tmp_path / "..new").replace(tmp_path / "..data")
        await until(lambda: len(changes) == 2)
        assert failures == []
    finally:
        watching.cancel()
        await asyncio.wait([watching])


async def test_a_folder_that_cannot_be_watched_is_said() -> None:
    failures: list[str] = []
    watching = start([Path("/nowhere/at/all.toml")], lambda: None, failures.append)
    await asyncio.wait([watching])
    assert failures[0].startswith("cannot watch the configuration any more: ")


async def test_a_defect_in_watching_is_said(tmp_path: Path) -> None:
    def fail() -> None:
        raise ZeroDivisionError("for the test")

    failures: list[str] = []
    watching = start([tmp_path / "onehop.toml"], lambda: None, failures.append)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("watchfiles.awatch", lambda *_, **__: fail())
        await asyncio.wait([watching])
    assert "any more: ZeroDivisionError: for the test; SIGHUP and `onehop reload` read it again" in failures[0]
