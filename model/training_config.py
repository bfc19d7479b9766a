"""How a network is trained: the sections of a recipe that its bundle does not carry."""

from pydantic import Field

from model.config import Config, Fraction


class TrainConfig(Config):
    """How a network is trained; with the same data and threads, the same config gives the same."""

    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    learning_rate: float = Field(gt=0, description="peak, of the last layer")
    head_rate: float = Field(default=1.0, gt=0, description="the heads' rate over learning_rate")
    layer_decay: float = Field(default=1.0, gt=0, le=1, description="rate of a layer over the next")
    warmup: Fraction = 0.1
    weight_decay: float = Field(default=0.01, ge=0)
    average: Fraction = Field(default=0.0, description="decay of the weights' moving average")
    label_smoothing: Fraction = 0.0
    consistency: float = Field(default=0.0, ge=0, description="weight of what two passes differ in")
    train_embeddings: bool = True
    choose: str = Field(default="exact_match", description="the metric on dev to keep weights by")
    seed: int = 0


class AugmentConfig(Config):
    """Changes made to training examples: two to sentences, four to sounds, one to images."""

    exchange: Fraction = Field(default=0.0, description="P(a slot's value is replaced by another)")
    surface: Fraction = Field(default=0.0, description="P(a sentence is punctuated as typed text)")
    pitch: Fraction = Field(default=0.0, description="a sound's largest change of speed, as a log")
    tempo: Fraction = Field(default=0.0, description="the same, with the pitch left as it is")
    colour_db: float = Field(default=0.0, ge=0, description="deviation of a frequency response")
    noise: Fraction = Field(default=0.0, description="P(white noise is added to a sound)")
    warp: float = Field(default=0.0, ge=0, description="how far an image is bent; 1: as by hands")
    copies: int = Field(default=0, ge=0, description="after so many epochs, again; 0: always new")


class DistillConfig(Config):
    """Learn from the mean probabilities of trained networks too (Hinton et al. 2015)."""

    teachers: tuple[str, ...] = Field(min_length=1, description="checkpoints")
    weight: float = Field(default=0.5, ge=0, le=1, description="of the teachers' term in the loss")
    temperature: float = Field(default=1.0, gt=0)
