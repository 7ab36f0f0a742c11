"""timm's networks, with weights from its repositories on the Hugging Face hub."""

from typing import Any

import timm
from timm.models import get_pretrained_cfg
from torch import nn

from inference.errors import UsageError
from inference.hub.snapshots import fetch

_SAFE = "model.safetensors"


def create(architecture: str, *, pretrained: bool, **options: Any) -> nn.Module:
    """Make a network; public weights are safetensors wherever timm has them on the hub.

    Raises UsageError when they cannot be fetched, or there are none.
    """
    overlay = _file_of(architecture) if pretrained else None
    network: nn.Module = timm.create_model(
        architecture, pretrained=pretrained, pretrained_cfg_overlay=overlay, **options
    )
    return network


def _file_of(architecture: str) -> dict[str, Any] | None:
    facts = get_pretrained_cfg(architecture)
    if facts is None or not facts.has_weights:
        raise UsageError(
            f"timm has no public weights for {architecture}; set `pretrained: false` or "
            "`weights: PATH`"
        )
    if not facts.hf_hub_id:
        return None  # timm knows an address
    name = facts.hf_hub_filename or _SAFE
    folder = fetch(facts.hf_hub_id, (name,))
    return {"file": str(folder / name)} if (folder / name).is_file() else None


def provenance_of(architecture: str) -> dict[str, str | None]:
    """Name, licence, and the commit that the hub's cache holds, if any."""
    from huggingface_hub import try_to_load_from_cache

    facts = get_pretrained_cfg(architecture)
    revision = None
    if facts is not None and facts.hf_hub_id:
        found = try_to_load_from_cache(facts.hf_hub_id, facts.hf_hub_filename or _SAFE)
        revision = found.split("/snapshots/")[1].split("/")[0] if isinstance(found, str) else None
    return {
        "name": f"timm/{architecture}",
        "revision": revision,
        "licence": facts.license if facts else None,
    }
