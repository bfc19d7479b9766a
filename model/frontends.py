"""Arrays of one modality -> hidden vectors and the mask of who may look at whom."""

from torch import Tensor, nn

from model.config import EncoderConfig, FrontendConfig
from model.positions import PositionEmbedding


class TextFrontend(nn.Module):
    """Token embedding plus position, normalised (Devlin et al. 2019, section 3)."""

    def __init__(self, config: FrontendConfig, encoder: EncoderConfig):
        super().__init__()
        self.tokens = nn.Embedding(config.vocabulary, encoder.d_model)
        # As large as the positions added to them: sines are, learned ones start small.
        nn.init.normal_(self.tokens.weight, std=1.0 if config.positions == "sinusoidal" else 0.02)
        self.positions = PositionEmbedding(config.positions, config.max_length, encoder.d_model)
        self.norm = nn.LayerNorm(encoder.d_model, eps=encoder.norm_eps)
        self.dropout = nn.Dropout(encoder.dropout)

    def forward(self, token_ids: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Embed.

        Args:
            token_ids: int64 (batch, length)
            valid: bool (batch, length), True = real position

        Returns:
            hidden: (batch, length, d_model)
            mask: bool (batch, 1, 1, key); True: every query may look at this key
        """
        hidden = self.norm(self.positions(self.tokens(token_ids)))
        return self.dropout(hidden), valid[:, None, None, :]
