"""Backbones in the folder layout of transformers, read through one class.

Importing this module loads neither torch nor transformers.
"""

# Values of `model_type` in a folder's config.json that `hf.load.load_hf` opens.
MODEL_TYPES = (
    "idefics3",
    "internvl",
    "internvl_chat",
    "llava_onevision",
    "qwen2_5_vl",
    "qwen2_vl",
    "qwen3_vl",
    "smolvlm",
)
