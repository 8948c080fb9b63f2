"""What the site needs beyond the pages in this folder. mkdocs calls the functions that begin with `on_`.

- keys.md, made from the configuration's model.
- Files of the repository that pages link to (`../config/examples/tls.toml`): each becomes a page under `files/`.
- The built site loads nothing from elsewhere: else the build fails.
"""

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs.reference import keys

ROOT: Final = Path(__file__).parents[1]
_LINK: Final = re.compile(r"(\]\()(?!https?:|mailto:|#)([^)\s#]+)((?:#[^)\s]*)?\))")
_KEYS: Final = """\
# Keys of the configuration

Made from the configuration's model, as [config/onehop.toml](../config/onehop.toml) is. What holds for all keys is said
in [Several files, and secrets](configuration.md). Every key outside the named tables has an environment variable:
`timeouts.connect_s` is `ONEHOP_TIMEOUTS_CONNECT_S`. `NAME` is a name of yours.

"""
_IMAGES: Final = (".png", ".svg")
#: What a browser fetches by itself: no mere links.
_FETCHED: Final = re.compile(
    r"""(?:<(?:script|img|iframe|source)\b[^>]*\bsrc|<link\b(?![^>]*rel="?canonical)[^>]*\bhref)=["']?(?:https?:)?//"""
    r"""|@import\s+["']?https?:|url\(["']?https?:"""
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is made: the page of all keys, and the files that pages link to, and those that they link to."""
    files.append(File.generated(config, "keys.md", content=_KEYS + keys()))
    files.append(File.generated(config, "hop.svg", abs_src_path=str(ROOT / "proxy" / "demo" / "assets" / "hop.svg")))
    waiting = [(f"docs/{file.src_uri}", file.content_string) for file in files.documentation_pages()]
    while waiting:
        name, text = waiting.pop()
        for link in _LINK.findall(text):
            target = normpath(f"{PurePosixPath(name).parent}/{link[1]}")
            uri = _uri(target)
            if target.startswith("docs/") or files.get_file_from_path(uri) is not None:
                continue
            if target.endswith(_IMAGES):
                files.append(File.generated(config, uri, abs_src_path=str(ROOT / target)))
            else:
                content = _as_page(target)
                files.append(File.generated(config, uri, content=content))
                waiting.append((target, content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to files of the repository lead to their pages."""
    uri = page.file.src_uri
    name = uri.removeprefix("files/").removesuffix(".md") if uri.startswith("files/") else f"docs/{uri}"

    def changed(found: re.Match[str]) -> str:
        target = _uri(normpath(f"{PurePosixPath(name).parent}/{found[2]}"))
        return found[1] + relpath(target, PurePosixPath(uri).parent) + found[3]

    return _LINK.sub(changed, markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """See that no page needs anything from elsewhere."""
    for path in sorted(Path(config.site_dir).rglob("*")):
        if path.suffix in (".html", ".css") and (found := _FETCHED.search(path.read_text("utf-8"))):
            raise PluginError(f"{path.relative_to(config.site_dir)} is not complete by itself: {found[0]}")


def _uri(target: str) -> str:
    """Where a file of the repository is in the site."""
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return f"files/{target}" if target.endswith(_IMAGES) else f"files/{target}.md"


def _as_page(target: str) -> str:
    """A file as a page; a folder as a page with all its files."""
    path = ROOT / target
    if path.suffix == ".md":
        return path.read_text("utf-8")
    inside = sorted(path.rglob("*")) if path.is_dir() else [path]
    shown = [f"# {target}\n"]
    for each in inside:
        if each.is_file():
            title = "" if each == path else f"## {each.relative_to(path)}\n\n"
            kind = {".htpasswd": "text", "": "text"}.get(each.suffix, each.suffix.lstrip("."))
            shown.append(f"{title}````{kind}\n{each.read_text('utf-8').rstrip()}\n````\n")
    return "\n".join(shown)
