"""New weights out of a file: an engine of ours for vLLM's weight transfer, on CPUs too, where NCCL is none.

The API process has compared the file with the served checkpoint before: engine/client/weight_files.py.
"""

from dataclasses import dataclass

import torch
from safetensors import safe_open
from vllm.distributed.weight_transfer.base import (
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)
from vllm.model_executor.layers.quantization.base_config import QuantizeMethodBase
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload


@dataclass
class FileInitInfo(WeightTransferInitInfo):
    """Nothing is agreed on before."""


@dataclass
class FileUpdateInfo(WeightTransferUpdateInfo):
    """`file`: the path of a .safetensors file with every weight of the checkpoint, by its name there."""

    file: str


class FileWeightEngine(WeightTransferEngine[FileInitInfo, FileUpdateInfo]):
    """The weights pass through the model's own loader, as at start: what that repacks is repacked again."""

    init_info_cls = FileInitInfo
    update_info_cls = FileUpdateInfo
    supports_draft_weight_update = False

    def init_transfer_engine(self, init_info: FileInitInfo) -> None:
        """Nothing is connected."""

    def start_weight_update(self) -> None:
        """Nothing is prepared: until the file is read the old weights are whole."""

    def update_weights(self, update_info: dict[str, str]) -> None:
        """Load the file. vLLM's own waits for an accelerator afterwards, which a CPU has none of."""
        self.receive_weights(self.parse_update_info(update_info))

    def receive_weights(self, update_info: FileUpdateInfo) -> None:
        """Read every weight of the file into the model."""
        with safe_open(update_info.file, framework="pt") as weights:
            initialize_layerwise_reload(self.model)
            self.model.load_weights((name, weights.get_tensor(name)) for name in weights.keys())  # noqa: SIM118
            finalize_layerwise_reload(self.model, self.model_config)
        _repack_tied(self.model)

    def finish_weight_update(self) -> None:
        """Nothing is left to do."""

    def shutdown(self) -> None:
        """Nothing is held."""


def _repack_tied(model: torch.nn.Module) -> None:
    """Pack again what a CPU multiplies by, of layers whose weight is another's.

    Such a layer, as the head that is tied to the embedding, loads nothing: vLLM 0.32 leaves it the old pack.
    """
    for layer in model.modules():
        method, weight = getattr(layer, "quant_method", None), getattr(layer, "weight", None)
        is_kept = isinstance(weight, torch.Tensor) and weight.numel() > 0
        if is_kept and hasattr(layer, "cpu_linear") and isinstance(method, QuantizeMethodBase):
            method.process_weights_after_loading(layer)
