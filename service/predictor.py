"""The data plane of one model: check, preprocess, batch, run, decode."""

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from export.bundle import Manifest, attention_names
from export.runtime import Device
from export.sample import extreme
from model.config import HeadKind
from model.preprocess.batch import Encoded, pad
from model.preprocess.modalities import Preprocessor
from service.answers import Answer, Result
from service.attention.encoding import to_json
from service.attention.positions import name_positions
from service.attention.selection import select
from service.attention.view import Tensors, View, look
from service.batcher import Batcher
from service.caller import Caller
from service.cost import calibrate
from service.device import find_devices
from service.encode import EncodeText, encode
from service.errors import InvalidInput, MissingHead, Overloaded
from service.inflight import InFlight
from service.inputs import Source, read_input
from service.limits import check_attention, check_inputs, locate
from service.offload import LOOP_CHARACTERS, LOOP_FLOATS, LOOP_POSITIONS, call
from service.raw import Raw, check_raw
from service.results import Heads, Outputs, Query
from service.scheduler import Scheduler
from service.schemas import AttentionOptions, Input, Options
from service.session import Session, choose_graph
from service.settings import Settings
from service.telemetry import Metrics

# Thousands fill a GPU. Not more: where one of many long inputs asks for attention, that of the
# whole batch is copied.
BATCH_POSITIONS: dict[Device, int] = {"cpu": 512, "cuda": 4096}


class Predictor:
    """A bundle, loaded and warmed up.

    Args:
        folder: the bundle.
        manifest: of the bundle.
        preprocessor: of the bundle.
        settings: device, precision and limits.
        threads: of one run of the model.
        metrics: told of every batch.
        scheduler: runs it, and other models.

    Attributes:
        manifest, device, precision, settings: of what is served.
        preprocessor: encodes its inputs.
        in_flight: `close` waits until nobody is inside.

    Raises:
        BundleError: it cannot be used.
        DeviceError: the device cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        preprocessor: Preprocessor,
        settings: Settings,
        threads: int,
        metrics: Metrics,
        scheduler: Scheduler,
    ):
        started_s = time.perf_counter()
        self.manifest = manifest
        devices = find_devices(settings.device)
        self.device, self.precision = choose_graph(manifest, settings.precision, devices)
        max_batch_positions = settings.max_batch_positions or BATCH_POSITIONS[self.device]
        self.settings = settings
        self.preprocessor = preprocessor
        self._heads = Heads(manifest.heads)
        self._of_numbers = any(tensor.dtype == "float32" for tensor in manifest.inputs)
        self._tokens = getattr(preprocessor, "tokens", 0)  # of its vocabulary, if it has one
        self._session = Session(
            folder,
            manifest,
            self.precision,
            self.device,
            threads,
            max_batch_positions,
            self._tokens,
        )
        cost = calibrate(
            lambda texts, length: self._session.run(
                extreme(manifest.inputs, 1, texts, length), self._heads.names
            ),
            manifest.max_length,
            max_batch_positions,
            time.thread_time if threads == 1 and self.device == "cpu" else time.perf_counter,
        )
        self.in_flight = InFlight()
        self._batcher = Batcher(
            self._run,
            scheduler,
            cost,
            max_batch_positions,
            settings.max_queue_positions,
            settings.max_queue_s,
            metrics.add_model(manifest.name, time.perf_counter() - started_s),
        )

    async def predict(
        self,
        inputs: Input | list[Input],
        kinds: Collection[HeadKind],
        options: Options,
        attention: AttentionOptions | None,
        caller: Caller,
        apart: Tensors | None = None,
    ) -> Answer:
        """Answer all inputs, or none.

        Args:
            inputs: one or many.
            kinds: the kinds of heads to answer; none: attention alone.
            options: for classes.
            attention: the weights to answer too, if any.
            caller: who asks; its `stages` are filled.
            apart: takes the attention's numbers, `{index of the input}.{name}`, in place of the
                answer.

        Raises:
            RequestError: it cannot be answered; nothing was queued.
            Unavailable: the queue is full, or the service is being stopped.
            DeadlineExceeded, ClientLeft: see `Batcher.submit`.
        """
        with self.in_flight:  # from here on `close` waits: nothing was awaited before
            self._begin(caller)
            self._check_heads(kinds)
            many = isinstance(inputs, list)
            given = inputs if isinstance(inputs, list) else [inputs]
            large = check_inputs(given, many, self.settings) > LOOP_CHARACTERS
            to_read = (given, many, self._read, self.preprocessor, self.settings, caller)
            sources, encoded = await call(large, encode, *to_read)
            positions = sum(item.length for item in encoded)
            long = positions > LOOP_POSITIONS
            views, numbers = await call(long, self._look, attention, encoded, many)
            long |= self._heads.transcribe(kinds) or (apart is None and numbers > LOOP_FLOATS)
            queries, outputs = await self._compute(encoded, views, False, many, caller)
            started_s = time.perf_counter()
            asked = (sources, queries, outputs, kinds, options, apart)
            results = await call(long, self._results, *asked)
            caller.stages["decode"] = time.perf_counter() - started_s
            return {
                "model": self.manifest.name,
                "version": self.manifest.version,
                "usage": {"positions": positions},
                "results": results,
            }

    async def compute(
        self,
        inputs: str | Sequence[Source],
        attention: AttentionOptions | None,
        caller: Caller,
        encode_text: EncodeText | None = None,
        raw: bool = True,
    ) -> list[tuple[Encoded, Outputs]]:
        """What all heads give, for all inputs or for none; and what the inputs became.

        Args:
            inputs: what the preprocessor takes, the bytes of files, or `Raw`; or one text.
            attention: the weights to answer too, if any.
            caller: who asks; its `stages` are filled, but for decode.
            encode_text: see `encode`.
            raw: logits are asked for, not what they mean.

        Raises:
            ServiceError: as `predict`.
        """
        with self.in_flight:
            self._begin(caller)
            many = not isinstance(inputs, str)
            given = inputs if many else [inputs]
            large = check_inputs(given, many, self.settings) > LOOP_CHARACTERS
            to_read = (given, many, self._take, self.preprocessor, self.settings, caller)
            _, encoded = await call(large, encode, *to_read, encode_text)
            long = sum(item.length for item in encoded) > LOOP_POSITIONS
            views, _ = await call(long, self._look, attention, encoded, many)
            _, outputs = await self._compute(encoded, views, raw, many, caller)
            return list(zip(encoded, outputs, strict=True))

    def overload(self) -> Overloaded | None:
        """See `Batcher.overload`."""
        return self._batcher.overload(1)

    async def close(self) -> None:
        """Stop, once every request is answered that `predict` was called for."""
        await self.in_flight.wait_idle()
        await self._batcher.close()

    def _read(self, given: Input | bytes) -> Source:
        return read_input(self.manifest.preprocess, self.manifest.max_length, given)

    def _take(self, given: Source) -> Source:
        if isinstance(given, Raw):
            return check_raw(given, self.manifest, self._tokens)
        return self._read(given) if isinstance(given, bytes) else given

    def _begin(self, caller: Caller) -> None:
        caller.begun_s = time.perf_counter()
        caller.model = self.manifest.name
        self._batcher.check_room(1)

    async def _compute(
        self,
        encoded: list[Encoded],
        views: Sequence[View | None],
        raw: bool,
        many: bool,
        caller: Caller,
    ) -> tuple[list[Query], list[Outputs]]:
        queries = [
            Query(item, item.length, view, raw) for item, view in zip(encoded, views, strict=True)
        ]
        caller.stages["preprocess"] = time.perf_counter() - caller.begun_s
        outputs = await self._batcher.submit(queries, caller)
        if self._of_numbers:
            self._check_finite(outputs, many)
        return queries, outputs

    def _check_finite(self, outputs: Sequence[Outputs], many: bool) -> None:
        for index, output in enumerate(outputs):
            if not output.finite:
                message = "its numbers are too large: what the model makes of them is not finite"
                raise InvalidInput([{"loc": locate(index, many), "message": message}])

    def _check_heads(self, kinds: Collection[HeadKind]) -> None:
        if kinds and self._heads.kinds.isdisjoint(kinds):
            has = ", ".join(f"{head.name} ({head.kind})" for head in self.manifest.heads)
            message = f"{self.manifest.name} has no {' or '.join(kinds)} head; it has {has}"
            raise MissingHead([{"loc": ["model"], "message": message}])

    def _look(
        self, options: AttentionOptions | None, encoded: list[Encoded], many: bool
    ) -> tuple[Sequence[View | None], int]:
        """What is asked for of each input's attention; how many numbers in all."""
        if options is None:
            return [None] * len(encoded), 0
        info = self.manifest.attention
        selection = select(options, info)
        views = [
            look(selection, info, item, ".".join(map(str, locate(index, many))))
            for index, item in enumerate(encoded)
        ]
        return views, check_attention(options, info, encoded, views, self.settings)

    def _run(self, queries: list[Query]) -> list[Outputs]:
        """One batch through the model; called in the model thread."""
        inputs = pad([query.encoded for query in queries])
        names = attention_names(self.manifest.attention.layers)
        views = [query.view for query in queries]
        asked = {layer for view in views if view for layer in view.selection.needed}
        wanted = self._heads.names + [names[layer] for layer in asked]
        arrays = self._session.run(inputs, wanted)
        weights = {layer: arrays[names[layer]] for layer in asked}
        seen = [view.cut(weights, item) if view else None for item, view in enumerate(views)]
        return self._heads.read(arrays, queries, seen)

    def _results(
        self,
        sources: list[Source],
        queries: list[Query],
        outputs: list[Outputs],
        kinds: Collection[HeadKind],
        options: Options,
        apart: Tensors | None,
    ) -> list[Result]:
        results = []
        for index, parts in enumerate(zip(sources, queries, outputs, strict=True)):
            result = self._result(*parts, kinds, options)
            for name, numbers in (outputs[index].attention or {}).items():
                if apart is None:
                    result["attention"][name] = to_json(numbers)  # type: ignore[literal-required]
                else:
                    apart[f"{index}.{name}"] = numbers
            results.append(result)
        return results

    def _result(
        self,
        source: Source,
        query: Query,
        outputs: Outputs,
        kinds: Collection[HeadKind],
        options: Options,
    ) -> Result:
        result = self._heads.answer(
            source, query.encoded, self.preprocessor, outputs, kinds, options
        )
        if query.view:
            asked = query.view.selection.options
            positions = name_positions(source, query.encoded, asked, self.preprocessor)
            result["attention"] = query.view.describe(positions)
        return result
