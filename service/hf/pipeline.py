"""What a `transformers` pipeline on a model's weights would answer."""

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from tokenizers import Tokenizer

from export.bundle import Manifest
from model.config import HeadConfig, HeadKind
from model.preprocess.text import EncodedText, TextPreprocessor
from service.answers import Class, Entity
from service.attention.kinds import Floats
from service.caller import Caller
from service.errors import Fault, InvalidRequest, MissingHead
from service.hf import text_classification, token_classification
from service.hf.chunks import SPECIAL, Chunker
from service.offload import LOOP_FLOATS, call
from service.predictor import Predictor
from service.schemas import Parameters, PipelineRequest

LOOP_POSITIONS = 300  # more than these are decoded off the event loop: some milliseconds
# Of one text: what it became and the head's logits, one or more chunks.
Chunks = Sequence[tuple[EncodedText, Floats]]
Answered = list[Entity] | list[Class]


class Task(NamedTuple):
    """What the heads of a kind are asked for.

    parameters: that it takes.
    answer: for one text.
    nested: the answer to a single text is in a list, too.
    """

    parameters: frozenset[str]
    answer: Callable[[Tokenizer, Sequence[str], Parameters, str, Chunks], Answered]
    nested: bool


TASKS: dict[HeadKind, Task] = {
    "token": Task(
        frozenset({"aggregation_strategy", "ignore_labels", "stride"}),
        token_classification.classify,
        False,
    ),
    "sequence": Task(
        frozenset({"function_to_apply", "top_k"}),
        lambda tokenizer, labels, parameters, text, chunks: text_classification.classify(
            labels, parameters, chunks[0][1]
        ),
        True,
    ),
}


async def answer(
    model: Predictor, head_name: str | None, asked: PipelineRequest, caller: Caller
) -> Answered | list[Answered]:
    """Answer all texts, or none.

    Args:
        model: whose head is asked.
        head_name: of that head; None: see `choose_head`.
        asked: texts and parameters.
        caller: who asks; its `stages` are filled.

    Raises:
        ServiceError: as `Predictor.predict`.
    """
    parameters, preprocessor = asked.parameters, model.preprocessor
    head = choose_head(model.manifest, head_name, parameters)
    if not isinstance(preprocessor, TextPreprocessor):
        message = f"{model.manifest.name} takes no text; pipelines are for text"
        raise MissingHead([{"loc": ["model"], "message": message}])
    task = TASKS[head.kind]
    check_stride(model.manifest, parameters)
    most = model.settings.max_request_positions
    chunker = Chunker(preprocessor, parameters.stride, most)
    computed = await model.compute(asked.inputs, None, caller, chunker.encode)
    started_s = time.perf_counter()
    texts = [asked.inputs] if isinstance(asked.inputs, str) else asked.inputs
    chunks = iter(
        [
            (encoded, outputs.logits[head.name])
            for encoded, outputs in computed
            if isinstance(encoded, EncodedText)
        ]
    )

    def decode() -> list[Answered]:
        return [
            task.answer(
                preprocessor.tokenizer,
                head.labels,
                parameters,
                text,
                list(islice(chunks, count)),
            )
            for text, count in zip(texts, chunker.counts, strict=True)
        ]

    positions = sum(encoded.length for encoded, _ in computed)
    large = positions > LOOP_POSITIONS or len(texts) * len(head.labels) > LOOP_FLOATS
    answers = await call(large, decode)
    caller.stages["decode"] = time.perf_counter() - started_s
    return answers if task.nested or asked.inputs is texts else answers[0]


def choose_head(manifest: Manifest, name: str | None, parameters: Parameters) -> HeadConfig:
    """The head of that name or, without one, the first of the model that takes the parameters.

    Raises:
        MissingHead: there is none of that name.
        InvalidRequest: it does not take the parameters, or none does.
    """
    there = [head for head in manifest.heads if head.kind in TASKS]
    heads = [head for head in there if name in (None, head.name)]
    if not heads:
        names = [head.name for head in there]
        message = f"{manifest.name} has no head {name!r}; it has {', '.join(names)}"
        raise MissingHead([{"loc": ["head"], "message": message, "allowed": [*names]}])
    for head in heads:
        if parameters.given <= TASKS[head.kind].parameters:
            return head
    takes = "; ".join(
        f"{head.name} takes {', '.join(sorted(TASKS[head.kind].parameters))}" for head in heads
    )
    given = " and ".join(sorted(parameters.given))
    raise InvalidRequest([{"loc": ["parameters"], "message": f"no head takes {given}: {takes}"}])


def check_stride(manifest: Manifest, parameters: Parameters) -> None:
    """Check what only a model can tell.

    Raises:
        InvalidRequest: chunks would not get on, or entities would be given twice.
    """
    if parameters.stride is None:
        return
    room = manifest.max_length - SPECIAL
    message = ""
    if parameters.stride >= room:
        message = f"{parameters.stride} is too much: a chunk of this model holds {room} pieces"
    if parameters.aggregation_strategy == "none":
        message = "only entities can be put together again; choose another aggregation_strategy"
    if message:
        fault: Fault = {"loc": ["parameters", "stride"], "message": message}
        raise InvalidRequest([fault])
