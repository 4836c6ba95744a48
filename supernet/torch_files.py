"""Files that `torch.save` wrote, read as plain tensors; nothing foreign is unpickled.

`python -m supernet.torch_files FILE` says as JSON what a file holds, for processes that import no
torch (`supernet.fitting.tensors_in_torch_file`).
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FLOATS = frozenset([torch.float64, torch.float32, torch.float16, torch.bfloat16])
"""Of other ones (of 8 bits) torch cannot even say whether they are finite."""

FOREIGN_NAME = re.compile(r"GLOBAL ([\w.]+)")
"""How torch's refusal names what a file asks for that is no tensor."""


class InvalidTorchFileError(ValueError):
    """A file is not a state dict that `torch.save` wrote; the text is the rule it breaks."""


def read_state(path: Path) -> dict[str, Tensor]:
    """Returns a file's state dict, which may lie under "state_dict", on the CPU.

    Raises:
        InvalidTorchFileError: the file is damaged, or holds something else or more than tensors.
    """
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch meets in a foreign file
        raise InvalidTorchFileError(_rule_broken(error)) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InvalidTorchFileError("must hold a state dict, alone or as 'state_dict'")
    return {str(name): value for name, value in state.items()}


def is_usable(tensor: Tensor) -> bool:
    """Whether a tensor's values are finite floating-point numbers."""
    return tensor.dtype in FLOATS and bool(tensor.isfinite().all())


def _rule_broken(error: Exception) -> str:
    """Returns what a file must be, and in brackets why torch did not read it."""
    foreign = FOREIGN_NAME.search(str(error))
    reason = (
        f"it asks for {foreign[1]}"
        if foreign
        else str(error).partition("\n")[0] or type(error).__name__
    )
    return f"must be a file of nothing but tensors that torch.save wrote ({reason})"


def described(path: Path) -> dict[str, Any]:
    """Returns {"tensors": {name: (shape, whether usable)}}, or {"rule": what the file breaks}."""
    try:
        state = read_state(path)
    except InvalidTorchFileError as error:
        return {"rule": str(error)}
    return {
        "tensors": {
            name: (tuple(tensor.shape), is_usable(tensor)) for name, tensor in state.items()
        }
    }


if __name__ == "__main__":
    json.dump(described(Path(sys.argv[1])), sys.stdout)
