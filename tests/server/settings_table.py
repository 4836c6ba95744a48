"""The table of settings in docs/operations.md, made from `server.settings`.

python tests/server/settings_table.py    # writes it anew
"""

import inspect
import re
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from server.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
BEGIN, END = "<!-- settings -->\n", "<!-- end of settings -->\n"
COMPUTED = {
    "home": "`$XDG_DATA_HOME/espalier`, else `~/.local/share/espalier`",
    "database_url": "`home`/espalier.db",
    "data_root": "`home`/data",
}


def descriptions() -> dict[str, str]:
    """Returns what the docstring says of each setting."""
    doc = inspect.getdoc(Settings) or ""
    part = doc.partition("Attributes:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^    (\w+): (.*(?:\n {6,}.*)*)", part, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for name, text in found}


def default_of(name: str, field: Any) -> str:
    if name in COMPUTED:
        return COMPUTED[name]
    is_made = field.default is PydanticUndefined
    value = field.default_factory() if is_made else field.default
    if value is None or value in ("", {}, (), frozenset()):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def table() -> str:
    """Returns the table in Markdown."""
    texts = descriptions()
    rows = [
        f"| `{name}` | {default_of(name, field)} | {texts.get(name, '')} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| setting | default | what it is |", "|---|---|---|", *rows]) + "\n"


def written() -> str:
    """Returns the table that the page holds."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    """Writes the table into the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
