"""Mask2Former R-50 of `transformers` as PyTorch runs it best: its parts by name, attention by `scaled_dot_product_attention`.

`transformers` has no SDPA for Mask2Former and writes the weights [heads, Q, L] out; a user who cares would do what is done here.
"""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, ResNetConfig

CLASSES = 80
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class CrossAttention(nn.Module):
    """`nn.MultiheadAttention` of the decoder without its weights as output. query [Q, B, D], key and value [L, B, D]; attn_mask
    [B * heads, Q, L], true where blocked."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, query, key, value, attn_mask, **_):
        own = self.attention
        weights, biases = own.in_proj_weight.chunk(3), own.in_proj_bias.chunk(3)
        heads = lambda x: x.view(x.shape[0], x.shape[1], own.num_heads, -1).permute(1, 2, 0, 3)
        q, k, v = (heads(F.linear(x, w, b)) for x, w, b in zip((query, key, value), weights, biases))
        seen = ~attn_mask.view(q.shape[0], own.num_heads, q.shape[2], k.shape[2])
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return own.out_proj(out.permute(2, 0, 1, 3).flatten(2)), None


class SelfAttention(nn.Module):
    """`Mask2FormerAttention` among the queries. hidden_states, position_embeddings [Q, B, D]."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, hidden_states, position_embeddings, **_):
        own = self.attention
        heads = lambda x: x.view(x.shape[0], x.shape[1], own.num_heads, -1).permute(1, 2, 0, 3)
        placed = hidden_states + position_embeddings
        q, k, v = heads(own.q_proj(placed)), heads(own.k_proj(placed)), heads(own.v_proj(hidden_states))
        out = F.scaled_dot_product_attention(q, k, v)
        return own.out_proj(out.permute(2, 0, 1, 3).flatten(2)), None


def network():
    """Full size, frozen backbone, random weights: the time does not depend on them."""
    backbone = ResNetConfig(out_features=["stage1", "stage2", "stage3", "stage4"])
    # `decoder_layers` counts the initial prediction: 10 are nine layers.
    config = Mask2FormerConfig(backbone_config=backbone, num_labels=CLASSES, decoder_layers=10)
    model = Mask2FormerForUniversalSegmentation(config).train()
    for layer in model.model.transformer_module.decoder.layers:
        layer.cross_attn, layer.self_attn = CrossAttention(layer.cross_attn), SelfAttention(layer.self_attn)
    model.model.pixel_level_module.encoder.eval().requires_grad_(False)
    return model


class Parts:
    """The network's three parts, each a graph of its own where they are compiled."""

    def __init__(self, model, compiled):
        pixels = model.model.pixel_level_module
        compile = (lambda part: torch.compile(part, dynamic=False)) if compiled else (lambda part: part)
        self.backbone, self.pixel_decoder = compile(pixels.encoder), compile(pixels.decoder)
        self.transformer_decoder = compile(model.model.transformer_module)
        self.class_predictor = model.class_predictor
        device = next(model.parameters()).device
        self.mean, self.std = (torch.tensor(of, device=device).view(1, 3, 1, 1) for of in (MEAN, STD))

    def __call__(self, pictures, mark=lambda part: None):
        """pictures [B, 3, H, W] of the device, bytes -> classes [B, Q, K + 1] and masks [B, Q, H / 4, W / 4] of every layer."""
        images = (pictures.float() - self.mean) / self.std
        features = self.backbone(images).feature_maps
        mark("backbone")
        pixels = self.pixel_decoder(features, output_hidden_states=False)
        mark("pixel decoder")
        out = self.transformer_decoder(
            multi_scale_features=pixels.multi_scale_features,
            mask_features=pixels.mask_features,
            output_hidden_states=True,
            output_attentions=False,
        )
        classes = [self.class_predictor(content.transpose(0, 1)) for content in out.intermediate_hidden_states]
        mark("transformer decoder")
        return classes, list(out.masks_queries_logits)


def losses(model, classes, masks, targets):
    """Matching and losses of all layers as `transformers` computes them. targets: class labels and masks by image."""
    terms = model.get_loss_dict(masks[-1], classes[-1], targets[1], targets[0], model.get_auxiliary_logits(classes, masks))
    return model.get_loss(terms)
