"""A bar chart as SVG: small, readable on light and dark pages, and to those who cannot see it."""

from typing import Final

_ROW: Final = 26
_TOP: Final = 40
_LEFT: Final = 104
_LONGEST: Final = 400
_WIDTH: Final = 580

_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.peer{fill:#9aa4b2}.own{fill:#0f766e}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.peer{fill:#5f6b7a}.own{fill:#2dd4bf}}"
)


def chart(figures: dict[str, float]) -> str:
    """Bars from the cheapest to the dearest, each with its ratio to nginx; without nginx, to the cheapest."""
    rows = sorted(figures.items(), key=lambda row: row[1])
    base_name = "nginx" if "nginx" in figures else rows[0][0]
    ratios = {name: value / figures[base_name] for name, value in rows}
    scale = _LONGEST / max(ratios.values())
    title = f"CPU per small GET, {base_name} = 1"
    spoken = "; ".join(f"{name} {ratio:.1f} ({figures[name]:.0f} µs)" for name, ratio in ratios.items())
    height = _TOP + _ROW * len(rows) + 6
    bars = []
    for number, (name, ratio) in enumerate(ratios.items()):
        y = _TOP + _ROW * number
        width = max(1.0, ratio * scale)
        kind = "own" if name.startswith("onehop") else "peer"
        bars.append(
            f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{name}</text>'
            f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="19" rx="3"/>'
            f'<text x="{_LEFT + width + 6:.1f}" y="{y + 14}">{ratio:.1f}</text>'
        )
    body = "\n".join(bars)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" \
aria-labelledby="title desc">
<title id="title">{title}</title>
<desc id="desc">Bar chart, less is better. {spoken}.</desc>
<style>{_STYLE}</style>
<text class="title" x="8" y="22">{title} (less is better)</text>
{body}
</svg>
"""
