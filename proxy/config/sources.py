"""Where settings come from: flags over environment over file over defaults; and every problem with them, at once.

A problem names its source, the line where it can be had, the key, the value, and what was expected.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from proxy.config.convert import build_config, from_text, listed, scalar_keys
from proxy.config.expand import Expansion, without_secrets
from proxy.config.files import with_files
from proxy.config.given import empty_problems, tables_without_effect, with_paths
from proxy.config.include import INCLUDE, Files
from proxy.config.model import Config
from proxy.config.problem import InvalidConfiguration, KeyPath, Problem, Value, nearest, problem_at, suggestion
from proxy.config.rules import rule_problems
from proxy.http1.masking import MASK

PREFIX: Final = "ONEHOP_"
#: What Kubernetes sets in every pod beside a service called onehop, or onehop-something; and Docker's links before it.
_INJECTED: Final = re.compile(r"ONEHOP_(?:\w+_)?(?:SERVICE_(?:HOST|PORT)\w*|PORT_[0-9]+_(?:TCP|UDP|SCTP)\w*)")
_INJECTED_VALUE: Final = re.compile(r"(?:tcp|udp|sctp)://.*")  # of ONEHOP_PORT, which a person may have meant
#: The admin listener's token, for the commands that ask it: no setting, but one of ours.
TOKEN_VARIABLE: Final = PREFIX + "TOKEN"
_IMPLIED: Final = "default"  # the name of the upstream and the route that --upstream makes
_ONE_SERVICE: Final = ("--upstream", PREFIX + "UPSTREAM")


class Loaded(NamedTuple):
    """A configuration, or what is wrong with it. `sources` has the origin of each key that was set; `secrets` are the
    keys whose values must not be shown, `files` all files that were read."""

    config: Config | None
    problems: list[Problem]
    sources: dict[str, str]
    secrets: frozenset[str] = frozenset()
    files: tuple[Path, ...] = ()

    def valid(self) -> Config:
        """The configuration. Raises InvalidConfiguration."""
        if self.config is None:
            raise InvalidConfiguration(self.problems)
        return self.config


#: Reads all sources, each time anew: at start, and when a running instance is asked to.
Loader: TypeAlias = Callable[[], Loaded]


def load(
    path: Path | None,
    environ: Mapping[str, str],
    flags: Mapping[str, object] | None = None,
    settings: Sequence[str] = (),
    *,
    needs_upstream: bool = True,
) -> Loaded:
    """Read every source, and check the result. Without `path`, `ONEHOP_CONFIG` names the file; else there is none.

    `flags` are values by dotted key, `settings` are the words of `--set key=value`. Without `needs_upstream`, a
    configuration needs none: a flag of another process may name it.
    """
    problems: list[Problem] = []
    expansion = Expansion(environ)
    given = {name: text for name, text in environ.items() if text}  # compose files set what is unset to nothing
    if path is None and given.get(PREFIX + "CONFIG"):
        path = Path(given[PREFIX + "CONFIG"])
    above = {tuple(key.split(".")): Value(value, _flag(key)) for key, value in (flags or {}).items()}
    above |= _from_settings(settings, problems)
    from_environment = _from_environment(given)
    files = Files(expansion, problems)
    values = files.values(path, above.get(INCLUDE) or from_environment.get(INCLUDE))
    values = with_paths(expansion.expand(values | from_environment | above, problems))
    problems += empty_problems(values)
    problems[:0] = _unknown_variables(given, expansion.used)
    _imply(values, problems)
    sources = {".".join(key): value.origin for key, value in values.items()}
    config = build_config(values, problems)
    wrong = [problem.key for problem in problems]
    for key, value, expected in rule_problems(config):
        if key == ("upstreams",) and not needs_upstream:
            continue
        if not any(_follows(".".join(key), earlier) for earlier in wrong):
            problems.append(_problem(values, key, value, expected))
    told = tuple(problem.key for problem in problems)
    problems += (
        each for each in tables_without_effect(values) if not any(_follows(each.key, earlier) for earlier in told)
    )
    config, unread = with_files(config)
    problems += (_problem(values, *finding) for finding in unread)
    secrets = frozenset(".".join(key) for key, value in values.items() if value.secret)
    read = (*files.read, *expansion.files, *map(Path, config.contents))
    return Loaded(None if problems else config, problems, sources, secrets, read)


def _problem(values: Mapping[KeyPath, Value], key: KeyPath, value: str, expected: str) -> Problem:
    """A finding, with where its value was given. What came from a secret's file is masked."""
    place = nearest(values, key)
    shown = MASK if value and place is not None and place.secret else value
    return problem_at(place, ".".join(key), shown, without_secrets(expected, place))


def _follows(key: str, earlier: str) -> bool:
    """Whether a finding may only be the consequence of an earlier problem, so that reporting it would mislead."""
    if key in ("upstreams", "routes") or (key.startswith("routes.") and key.endswith(".upstream")):
        # What seems to be missing may be what was wrong there, or is in a file that cannot be read.
        return earlier in ("", "include") or earlier.startswith(("upstream", "route", "ONEHOP_UPSTREAM"))
    if key == "listen" and earlier.startswith("listeners."):
        return True  # the only address there would be
    return key == earlier or earlier.startswith(f"{key}.") or key.startswith(f"{earlier}.")


def _flag(key: str) -> str:
    return "--upstream" if key.startswith("upstreams.") else f"--{key.partition('.')[0].replace('_', '-')}"


def _from_environment(environ: Mapping[str, str]) -> dict[KeyPath, Value]:
    known = _variables()
    values: dict[KeyPath, Value] = {}
    for name, text in environ.items():
        if name == PREFIX + "UPSTREAM":
            values["upstreams", _IMPLIED, "urls"] = Value(listed(text), name)
        elif name in known:
            values[known[name]] = Value(from_text(known[name], text), name)
    return values


def _unknown_variables(environ: Mapping[str, str], used: Collection[str]) -> Iterator[Problem]:
    """Variables that are named like settings, and are none. One that a file refers to is not reported."""
    known = {*_variables(), PREFIX + "UPSTREAM", PREFIX + "CONFIG", TOKEN_VARIABLE}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name in known or name in used:
            continue
        if not (_INJECTED.fullmatch(name) or (name.endswith("_PORT") and _INJECTED_VALUE.fullmatch(text))):
            rest = {variable.removeprefix(PREFIX) for variable in known}
            meant = suggestion(name.removeprefix(PREFIX), rest).replace(' "', f' "{PREFIX}')
            yield Problem("environment", None, name, "", f"no such setting{meant}")


def _variables() -> dict[str, KeyPath]:
    """The environment variable of every key that has one."""
    return {PREFIX + "_".join(key).upper(): key for key in scalar_keys()}


def _from_settings(settings: Sequence[str], problems: list[Problem]) -> dict[KeyPath, Value]:
    values: dict[KeyPath, Value] = {}
    for word in settings:
        name, equals, text = word.partition("=")
        if not equals:
            problems.append(Problem("--set", None, word, "", "expected key=value"))
            continue
        key = tuple(name.strip().split("."))
        values[key] = Value(from_text(key, text.strip()), "--set")
    return values


def _led_to(values: Mapping[KeyPath, Value]) -> Iterator[str]:
    """The upstreams to which routes lead, as far as their types are right."""
    for key, value in values.items():
        if key[0] == "routes" and key[2:] in (("upstream",), ("mirror", "upstream")):
            names = [value.value]
        elif key[0] == "routes" and key[2:] == ("split",) and isinstance(value.value, list):
            names = [share.get("upstream") for share in value.value if isinstance(share, dict)]
        else:
            continue
        yield from (name for name in names if isinstance(name, str))


def _imply(values: dict[KeyPath, Value], problems: list[Problem]) -> None:
    """One address may be given without brackets; one upstream needs no route."""
    listen = values.get(("listen",))
    if listen is not None and isinstance(listen.value, str):
        values["listen",] = listen._replace(value=listed(listen.value) if listen.expanded else [listen.value])
    elif listen is None and any(key[0] == "listeners" for key in values):
        values["listen",] = Value([], "implied by [listeners]")
    upstreams = list(dict.fromkeys(key[1] for key in values if key[0] == "upstreams" and len(key) > 1))
    given = values.get(("upstreams", _IMPLIED, "urls"))
    by_flag = given is not None and given.source in _ONE_SERVICE
    if any(key[0] == "routes" for key in values):
        leads_to = list(_led_to(values))
        if given is not None and by_flag and _IMPLIED not in leads_to and set(leads_to) <= set(upstreams):
            expected = (
                "no route leads to it: the configured routes name upstreams of their own. Leave it out, or give a "
                f'route upstream = "{_IMPLIED}"'
            )
            problems.append(Problem(given.source, None, "", "", expected))
    elif len(upstreams) == 1:
        values["routes", _IMPLIED, "upstream"] = Value(upstreams[0], "implied by the only upstream")
    elif given is not None and by_flag:
        # One service named on the command line is the one to reach, whatever other upstreams the file has.
        values["routes", _IMPLIED, "upstream"] = Value(_IMPLIED, f"implied by {given.source}")
