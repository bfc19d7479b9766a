"""The Transformer encoder: self-attention and feed-forward layers in turn.

Vaswani et al. 2017, section 3.1 (norm after each sublayer); Xiong et al. 2020, arXiv:2002.04745
(norm before each).
"""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from model.attention import MultiHeadSelfAttention
from model.config import EncoderConfig

Feedback = Callable[[Tensor], Tensor]


class FeedForward(nn.Sequential):
    """Two fully connected layers with a GELU between, applied to every position alone."""

    def __init__(self, d_model: int, d_hidden: int):
        super().__init__(nn.Linear(d_model, d_hidden), nn.GELU(), nn.Linear(d_hidden, d_model))


class EncoderLayer(nn.Module):
    """Attention, then feed-forward; each with a residual path and a layer norm."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.pre = config.norm == "pre"
        self.attention = MultiHeadSelfAttention(
            config.d_model, config.heads, config.score, config.dropout, config.window
        )
        self.feed_forward = FeedForward(config.d_model, config.d_hidden)
        self.norm_attention = nn.LayerNorm(config.d_model, eps=config.norm_eps)
        self.norm_feed_forward = nn.LayerNorm(config.d_model, eps=config.norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden: Tensor, valid: Tensor, edges: Tensor | None) -> tuple[Tensor, Tensor]:
        """(batch, length, d_model) -> the same, and weights as of `MultiHeadSelfAttention`."""
        if self.pre:
            context, weights = self.attention(self.norm_attention(hidden), valid, edges)
            hidden = hidden + self.dropout(context)
            update = self.feed_forward(self.norm_feed_forward(hidden))
            return hidden + self.dropout(update), weights
        context, weights = self.attention(hidden, valid, edges)
        hidden = self.norm_attention(hidden + self.dropout(context))
        update = self.feed_forward(hidden)
        return self.norm_feed_forward(hidden + self.dropout(update)), weights


class Encoder(nn.Module):
    """A stack of layers; with norm before the sublayers, one more norm closes the stack."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        last = nn.LayerNorm(config.d_model, eps=config.norm_eps)
        self.norm = last if config.norm == "pre" else nn.Identity()

    def forward(
        self,
        hidden: Tensor,
        valid: Tensor,
        edges: Tensor | None = None,
        feedback: Mapping[int, Feedback] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """(batch, length, d_model) -> the same, and one weights tensor a layer.

        See `MultiHeadSelfAttention` for the arguments and the weights. What `feedback` makes of the
        output of a layer, by its number from 1, is added to it.
        """
        weights = []
        for number, layer in enumerate(self.layers, 1):
            hidden, layer_weights = layer(hidden, valid, edges)
            weights.append(layer_weights)
            if feedback and number in feedback:
                hidden = hidden + feedback[number](self.norm(hidden))
        return self.norm(hidden), weights
