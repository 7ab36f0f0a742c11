"""The transformers library, which takes seconds to import, and keeps quiet here."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

# What model.json knows better, and facts about a checkpoint's file.
_NOT_NEEDED = frozenset(
    {
        "_name_or_path",
        "architectures",
        "auto_map",  # code of the checkpoint, which is never run
        "dtype",
        "id2label",
        "label2id",
        "model_type",
        "torch_dtype",
        "transformers_version",
    }
)


def transformers_library() -> ModuleType:
    """Import transformers and keep its notes and progress bars from the terminal."""
    import huggingface_hub
    import transformers

    huggingface_hub.logging.set_verbosity_error()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def needed_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a configuration what model.json says elsewhere."""
    return {name: value for name, value in values.items() if name not in _NOT_NEEDED}
