"""The console blocks of a page, run one after another as a reader would, and what they show compared with what comes.

A line that begins with `$ ` is a command, what follows is what it shows. `...` alone stands for any lines, at the end of
a line for the rest of it. Ports of the page are others here; dates, ids and durations are not compared. A command that
goes on serving (`onehop run`) is left running until the page ends. `<!-- not run: WHY -->` above a block leaves it out.
"""

import asyncio
import os
import random
import re
import shutil
import signal
import socket
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, NamedTuple

from tests.harness.examples import EXAMPLES
from tests.harness.scripted import PATIENCE_S
from tests.harness.waiting import until

ROOT: Final = Path(__file__).parents[2]
_BLOCK: Final = re.compile(r"(?:<!-- not run: ([^>]+) -->\n+)?```console\n(.*?)```", re.DOTALL)
_SERVES: Final = re.compile(r"(?:[A-Z_]+=\S+ )*onehop (run|demo)\b")
_PORTS: Final = (8080, 8443, 9000, 9001, 9002, 9901)
_ANY: Final = random.SystemRandom()  # pytest plugins seed the usual one, in every process alike
_READY: Final = "stop with Ctrl-C"
#: What differs from run to run, and what stands for it.
_VARIES: Final = [
    # of `onehop top`: who of the workers served is chance, and rates hang on how long the page took until then
    (re.compile(r"^\d+ +\d+ +serving .*$", re.MULTILINE), "WORKER"),
    (re.compile(r"^(\S+ +\S+ +used) .*$", re.MULTILINE), r"\1 FIGURES"),
    (re.compile(r"\b\d+\.\d/s"), "RATE"),
    (re.compile(r"(?<=  )\d+\.\d(?=  )"), "RATE"),
    (re.compile(r"\b(up|last|in flight|clients) \d+( s)?\b"), r"\1 SOME"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"), "DATE"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "TIME"),
    (re.compile(r"\b[0-9a-f]{12}-\d+\b"), "ID"),
    (re.compile(r"onehop-[0-9a-f]{8}\b"), "onehop-SUFFIX"),
    (re.compile(r"\b\d+(\.\d+)? ?ms\b"), "DURATION"),
    (re.compile(r"\b\d+ workers?\b"), "WORKERS"),
    (re.compile(r"\bcurl/[\d.]+"), "curl/VERSION"),
    (re.compile(r"\bexplain-[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\bdur=[\d.]+"), "dur=DURATION"),
    (re.compile(r"(DURATION \S+) reused\b"), r"\1"),  # by chance: each worker has connections of its own
    (re.compile(r"^( *\"client_port\":) \d+", re.MULTILINE), r"\1 PORT"),
]
#: Lines that are there or not, by the machine: its limit of descriptors, and who else uses the usual admin port.
_BY_MACHINE: Final = re.compile(
    r"  up to \d+ clients at once|  admin listener on|onehop: warning: no admin listener|onehop listens on https?://\[::\]"
)


class Step(NamedTuple):
    """A command and what it shows, with the line of the page on which it stands."""

    line: int
    command: str
    shown: list[str]


class Block(NamedTuple):
    """A console block; `why_not` is the reason for which it is not run."""

    steps: list[Step]
    why_not: str


def blocks(page: str) -> list[Block]:
    """The console blocks of a page. Raises ValueError: one begins with something else than a command."""
    found = []
    for match in _BLOCK.finditer(page):
        first = page.count("\n", 0, match.start(2)) + 1
        steps: list[Step] = []
        lines = iter(enumerate(match[2].splitlines(), first))
        for number, line in lines:
            if line.startswith("$ "):
                command = line[2:]
                while command.endswith("\\"):
                    command += "\n" + next(lines)[1]
                steps.append(Step(number, command, []))
            elif steps:
                steps[-1].shown.append(line)
            else:
                raise ValueError(f"line {number}: a console block begins with a command")
        found.append(Block(steps, match[1] or ""))
    return found


def steady(text: str) -> list[str]:
    """Lines without what differs from run to run; columns are apart, however wide they are."""
    for pattern, name in _VARIES:
        text = pattern.sub(name, text)
    lines = [re.sub(r"(?<=\S) {2,}", "  ", line.rstrip()) for line in text.replace("\r\n", "\n").splitlines()]
    lines = [line for line in lines if not _BY_MACHINE.match(line)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def agrees(shown: list[str], came: list[str]) -> bool:
    """Whether lines are as they are shown."""
    pattern = ""
    for line in shown:
        if line == "...":
            pattern += r"(?:.*\n)*"
        elif line.endswith("..."):
            pattern += re.escape(line[:-3]) + r".*\n"
        else:
            pattern += re.escape(line) + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in came)) is not None


class Session:
    """A shell in a folder with the example files, whose ports are free ones."""

    def __init__(self, folder: Path) -> None:
        self.ports = dict(zip(_PORTS, _ports_of_nobody(len(_PORTS)), strict=True))
        self._folder = folder
        self._serving: list[asyncio.subprocess.Process] = []
        self._readers: list[asyncio.Task[None]] = []
        bin_folder = Path(sys.executable).parent
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ONEHOP_")},
            "PATH": f"{bin_folder}:{os.environ['PATH']}:/usr/sbin",
            "CURL_HOME": str(folder),
            "ONEHOP_ADMIN_LISTEN": f"127.0.0.1:{self.ports[9901]}",
            "ONEHOP_WORKERS": "2",
        }

    def prepare(self) -> None:
        """Write the example files, when it is known where services listen."""
        shutil.copytree(EXAMPLES, self._folder, dirs_exist_ok=True)
        shutil.copytree(EXAMPLES, self._folder / "config" / "examples")
        (self._folder / ".curlrc").write_text("silent\nmax-time = 20\n")
        shutil.copy(EXAMPLES / "two-services-by-path.toml", self._folder / "onehop.toml")
        for file in self._folder.rglob("*.toml"):
            file.write_text(self.here(file.read_text("utf-8")), "utf-8")

    def here(self, text: str) -> str:
        """A text of the page with the ports of this session."""
        return re.sub(r"(?<=:)\d{4}\b", lambda found: str(self.ports.get(int(found[0]), found[0])), text)

    def there(self, text: str) -> str:
        """A text of this session with the ports of the page."""
        back = {str(port): str(written) for written, port in self.ports.items()}
        return re.sub(r"(?<=:)\d{4,5}\b", lambda found: back.get(found[0], found[0]), text)

    async def run(self, command: str) -> tuple[int, str]:
        """A command's exit status and what it shows: all, or up to being ready where it goes on serving."""
        command = self.here(command).replace(
            "make demo", f"onehop demo --listen 127.0.0.1:{self.ports[8080]} --admin 127.0.0.1:{self.ports[9901]}"
        )
        if command == "make help":
            command = f"make --no-print-directory -C {ROOT} help"
        serves = _SERVES.match(command) is not None
        if serves:
            await self.end()  # what served until now: a reader has stopped it
        listen = (
            {} if re.search("--(config|listen)|check", command) else {"ONEHOP_LISTEN": f"127.0.0.1:{self.ports[8080]}"}
        )
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", f"exec env {command}" if serves else command,
            cwd=self._folder, env=self._env | listen, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        if not serves:
            async with asyncio.timeout(PATIENCE_S):
                shown = self.there((await process.communicate())[0].decode("utf-8", "replace"))
            assert process.returncode is not None
            return process.returncode, shown
        self._serving.append(process)
        lines: list[str] = []
        self._readers.append(asyncio.create_task(_collect(process.stdout, lines)))
        reader = self._readers[-1]
        await until(lambda: any(_READY in line for line in lines) or reader.done())
        return process.returncode or 0, self.there("".join(lines))

    async def end(self) -> None:
        """Stop what still serves."""
        for process in self._serving:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            for process in self._serving:
                await process.wait()
            await asyncio.gather(*self._readers)
        self._serving, self._readers = [], []


def _ports_of_nobody(count: int) -> list[int]:
    """Free ports that the kernel gives to no other socket, so that they are still free when a command comes to use them."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    with ExitStack() as probes:
        found: set[int] = set()
        while len(found) < count:
            probe, port = probes.enter_context(socket.socket()), _ANY.randrange(max(lowest - 20_000, 1024), lowest)
            with suppress(OSError):
                probe.bind(("0.0.0.0", port))
                found.add(port)
    return sorted(found)


async def _collect(source: asyncio.StreamReader, lines: list[str]) -> None:
    while line := (await source.readline()).decode("utf-8", "replace"):
        lines.append(line)
