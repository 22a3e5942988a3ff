"""Make a small Llama whose first weights help it to learn to copy. Knows no text and no task."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

__all__ = ["look_one_back", "start_llama"]

_CONSTANT = 3.0
_SHARPNESS = 45.0
_SLOWEST = 0.04


def start_llama(
    tokenizer: PreTrainedTokenizerBase, *, width: int, inner: int, layers: int, heads: int
) -> LlamaForCausalLM:
    """Make a decoder in bfloat16 with tied embeddings, two heads of which look one token back.

    Args:
        tokenizer: Its size, its marks and its longest text.
        width: Hidden size.
        inner: Size of the gated layer.
        layers: Decoder blocks.
        heads: Attention heads a block, two or more.

    Returns:
        The model, with attention as training wants it on a processor.
    """
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=tokenizer.model_max_length,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    shape._attn_implementation = "eager"
    model = LlamaForCausalLM(shape)
    look_one_back(model, heads=2)
    return model.bfloat16()


def look_one_back(model: LlamaForCausalLM, *, heads: int) -> None:
    """Let some heads of the first block begin by reading the token before, which copying is built on.

    One dimension of the embeddings is made constant. From it those heads make a query and a key whose
    product, after the rotation by position, is greatest at a distance of one. Training may change all of it.

    Args:
        model: Freshly initialised, in float32.
        heads: How many heads; start with 2.
    """
    config = model.config
    size = config.hidden_size // config.num_attention_heads
    speeds = torch.as_tensor(model.model.rotary_emb.inv_freq)
    # Slow rotations do not tell one position from the next.
    used = torch.where(speeds > _SLOWEST, _SHARPNESS**0.5, 0.0)
    weights = dict(model.named_parameters())
    table = weights["model.embed_tokens.weight"]
    query, key, value, out = (weights[f"model.layers.0.self_attn.{name}_proj.weight"] for name in "qkvo")
    spread = table.std().item()
    seen = _CONSTANT / (1 + _CONSTANT**2 / config.hidden_size) ** 0.5
    asked = torch.cat([torch.cos(speeds) * used, -torch.sin(speeds) * used]) / seen
    given = torch.cat([used, torch.zeros_like(used)]) / seen
    with torch.no_grad():
        table[:, 0] = _CONSTANT * spread
        for head in range(heads):
            rows = slice(head * size, (head + 1) * size)
            for projection, vector in ((query, asked), (key, given)):
                projection[rows] = 0
                projection[rows, 0] = vector
            value[rows].normal_(std=config.hidden_size**-0.5)
            value[rows, 0] = 0
            out[:, rows].normal_(std=0.7 * spread * size**-0.5)
