"""The page on data sets names every kind and field, and its examples are valid."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter

from supernet.datasets import AnySource, DataSetSource

PAGE = (Path(__file__).parents[2] / "docs" / "data-sets.md").read_text()
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("source", get_args(AnySource))
def test_every_kind_and_field_is_named(source: type) -> None:
    fields = source.model_fields  # type: ignore[attr-defined]  # each is a model
    assert f"| `{fields['kind'].default}` |" in PAGE
    assert [name for name in fields if name != "kind" and f"`{name}`" not in PAGE] == []


def test_every_kind_of_files_has_a_valid_example() -> None:
    adapter = TypeAdapter(DataSetSource)
    kinds = {adapter.validate_python(example.get("source", example)).kind for example in EXAMPLES}
    assert kinds == {source.model_fields["kind"].default for source in get_args(AnySource)} - {
        "digits"
    }
