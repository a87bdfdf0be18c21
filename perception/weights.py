"""Reading and writing weights folders: model.safetensors and config.json, never pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from geometry.files import read_json, write_whole

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.overrides import TorchFunctionMode

Config = TypeVar("Config")
Network = TypeVar("Network", bound="nn.Module")

MOST_SIZE = 65_536  # a damaged number must not ask for all memory
_FILLS = ("uniform_", "normal_", "trunc_normal_", "fill_", "zero_")
_RESTORE = (
    "Restore the folder from the release, or train it again ('empaw train speech' for voices, "
    "'empaw train face' for faces, 'empaw train completion' for shapes)."
)


class WeightsError(ValueError):
    """A weights folder is missing, damaged, or belongs to another network."""


def useless(what: str) -> WeightsError:
    """Build the error for weights of the right shape that cannot judge anything."""
    return WeightsError(f"{what}; these weights are damaged. {_RESTORE}")


def read_config(folder: Path, kind: type[Config]) -> Config:
    """Read config.json of a weights folder into the dataclass `kind`, whose fields all have defaults; more may follow.

    Raises:
        WeightsError: the file is missing, is no JSON object, or its entries do not fit the fields of `kind`, or
            `kind` itself refuses them with a ValueError.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise WeightsError(f"{path} is missing; a weights folder holds model.safetensors and config.json. {_RESTORE}")
    try:
        raw = read_json(path)
    except ValueError as error:
        raise WeightsError(f"{error}. {_RESTORE}") from error
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(raw, dict) or not names <= set(raw):
        missing = sorted(names - set(raw)) if isinstance(raw, dict) else "a JSON object"
        raise WeightsError(f"{path} lacks {missing}; it belongs to another network. {_RESTORE}")
    for name in sorted(names):
        _check_entry(path, name, raw[name], getattr(kind, name))
    try:
        return kind(**{name: tuple(v) if isinstance(v := raw[name], list) else v for name in names})
    except ValueError as error:
        raise WeightsError(f"{path} describes no network of ours ({error}). {_RESTORE}") from error


def part_of(config: Any, kind: type[Config]) -> Config:
    """Take from a config those fields that `kind`, a dataclass, has."""
    return kind(**{field.name: getattr(config, field.name) for field in fields(kind)})  # type: ignore[arg-type]


def _check_entry(path: Path, name: str, value: object, default: object) -> None:
    """Refuse an entry of another type than the default of its field, or a size that no network of ours has."""
    if isinstance(default, tuple):
        kinds = {type(entry) for entry in default}
        fits = isinstance(value, list) and {type(entry) for entry in value} <= kinds
    elif isinstance(default, str):
        fits = isinstance(value, str)
    elif isinstance(default, float):
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) and 0.0 <= value < 1e6
    else:
        fits = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_SIZE
    if not fits:
        raise WeightsError(
            f"{path}: {name} is {value!r}; expected something like {default!r} (sizes 1 to {MOST_SIZE}). {_RESTORE}"
        )


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Read model.safetensors of a weights folder as float32 tensors.

    Raises:
        WeightsError: the file is missing, truncated, not in the safetensors format, or not the one that config.json
            was written with.
    """
    path = folder / "model.safetensors"
    if not path.is_file():
        raise WeightsError(f"{path} is missing; a weights folder holds model.safetensors and config.json. {_RESTORE}")
    tensors = read_tensor_file(path)
    check_digest(path, read_json(folder / "config.json"))
    return tensors


def check_digest(model: Path, config: Mapping[str, Any]) -> None:
    """Hold a file of weights against the SHA-256 that its config.json gives, where it gives one.

    Raises:
        WeightsError: it is another.
    """
    wanted = config.get("sha256")
    if wanted is not None and wanted != hashlib.sha256(model.read_bytes()).hexdigest():
        raise WeightsError(f"{model} is damaged: its SHA-256 is not the one in config.json. {_RESTORE}")


def read_tensor_file(path: Path) -> dict[str, Tensor]:
    """Read a .safetensors file, its numbers as float32; whole numbers stay what they are.

    Raises:
        WeightsError: the file is missing, truncated, or not in the safetensors format.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise WeightsError(f"{path} is missing; expected a .safetensors file. Check the path.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors ({error}). {_RESTORE}") from error
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def build(make: Callable[[], Network], folder: Path) -> Network:
    """Make a network and fill it from a weights folder, in evaluation mode.

    Its shapes are compared with those of the file before it takes memory: a damaged size must not ask for all of it.

    Raises:
        WeightsError: a file is missing or damaged, or its tensors are those of another network, or useless.
    """
    import torch

    tensors = read_tensors(folder)
    with torch.device("meta"), _unfilled():
        _check_shapes(make(), tensors, folder)
    module = make()
    fill(module, tensors, folder)
    return module.eval()


def _unfilled() -> TorchFunctionMode:
    """While it lasts, new tensors are not filled: where there is no memory, torch loads a computer algebra to do so."""
    from torch.overrides import TorchFunctionMode

    class Unfilled(TorchFunctionMode):
        def __torch_function__(
            self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            named = kwargs or {}
            if getattr(func, "__name__", "") in _FILLS:
                return args[0] if args else named["tensor"]
            return func(*args, **named)

    return Unfilled()


def fill(module: nn.Module, tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Copy tensors into a module whose names and shapes must match exactly.

    Raises:
        WeightsError: a tensor is missing, is unknown, has another shape, or holds NaN or infinity.
    """
    _check_shapes(module, tensors, folder)
    broken = sorted(name for name, tensor in tensors.items() if not bool(tensor.isfinite().all()))
    if broken:
        raise WeightsError(f"{folder}: {broken[:3]} hold NaN or infinity. {_RESTORE}")
    module.load_state_dict(dict(tensors))


def _check_shapes(module: nn.Module, tensors: Mapping[str, Tensor], folder: Path) -> None:
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    came = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    wrong = sorted(name for name in wanted.keys() | came.keys() if wanted.get(name) != came.get(name))
    if wrong:
        shown = "; ".join(f"{n}: {came.get(n, 'absent')}, expected {wanted.get(n, 'nothing')}" for n in wrong[:3])
        raise WeightsError(f"{folder} holds the weights of another network: {len(wrong)} differ ({shown}). {_RESTORE}")


def write_folder(folder: Path, tensors: Mapping[str, Tensor], config: Any, notes: Mapping[str, Any], card: str) -> None:
    """Write model.safetensors (fp16; whole numbers as they are), config.json and CARD.md, each atomically.

    config.json holds the dataclass `config`, the `notes`, and the SHA-256 of model.safetensors.
    """
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    content = save({name: _half(tensor) for name, tensor in tensors.items()})
    write_whole(folder / "model.safetensors", content)
    digest = hashlib.sha256(content).hexdigest()
    text = json.dumps({**asdict(config), **notes, "sha256": digest}, indent=2)
    write_whole(folder / "config.json", text + "\n")
    write_whole(folder / "CARD.md", card)


def _half(tensor: Tensor) -> Tensor:
    plain = tensor.detach().cpu()
    return (plain.half() if plain.is_floating_point() else plain).contiguous()


def round_to_stored(module: Network) -> Network:
    """Round the weights of a module to what `write_folder` keeps of them, so that figures are those of the file."""
    module.load_state_dict({name: _half(tensor) for name, tensor in module.state_dict().items()})
    return module


def count_parameters(module: nn.Module) -> int:
    """Count the numbers that are learned."""
    return sum(parameter.numel() for parameter in module.parameters())


def training_of(folder: Path) -> Any:
    """Read from config.json how the weights in a folder were trained."""
    return read_json(folder / "config.json").get("training")
